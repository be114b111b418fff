# Gateway, inference and web on Fargate: images, secrets, roles, tasks, and how many of them.
locals {
  registry = {
    EVERSHELF_REGISTRY             = "s3://${var.registry_bucket}/registry"
    EVERSHELF_REGISTRY_PUBLIC_KEYS = var.registry_public_key
    AWS_REGION                     = var.region
  }
  secret = { for key in ["EVERSHELF_KEY_SECRET", "EVERSHELF_OPERATOR_KEY", "EVERSHELF_WEB_SHOP_KEY", "EVERSHELF_WEB_ADMIN_KEY", "EVERSHELF_WEB_PASSWORD", "EVERSHELF_WEB_SESSION_SECRET"] :
  key => "${aws_secretsmanager_secret.app.arn}:${key}::" }
  # Each part is told what it needs and no more: inference knows no secret, the web part no database.
  parts = {
    gateway = {
      port = 8080, size = var.gateway, command = null, live = ["python", "-I", "-S", "/opt/evershelf/healthy.py", "8080", "/livez"], policy = var.registry_policies.choose, data = "/var/lib/evershelf/gateway"
      environment = merge(local.registry, var.environment, {
        EVERSHELF_DATABASE_URL  = var.database_url
        EVERSHELF_INFERENCE_URL = "http://inference.${aws_service_discovery_private_dns_namespace.this.name}:8081"
        # The log driver carries these lines to CloudWatch, which makes metrics of them: the alarms read those.
        EVERSHELF_GATEWAY_EMF_INTERVAL_S = "60"
      })
      secrets = { EVERSHELF_KEY_SECRET = local.secret.EVERSHELF_KEY_SECRET, PGPASSWORD = "${var.database_secret}:password::" }
    }
    inference = {
      port        = 8081, size = var.inference, command = null, live = ["python", "-I", "-S", "/opt/evershelf/healthy.py", "8081", "/livez"], policy = var.registry_policies.read, data = "/var/lib/evershelf/inference"
      environment = local.registry
      secrets     = {}
    }
    web = {
      port        = 3000, size = var.web, command = null, live = ["node", "-e", "fetch('http://127.0.0.1:3000/healthz').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"], policy = null, data = "/var/lib/evershelf/web"
      environment = { EVERSHELF_WEB_GATEWAY_URL = "http://gateway.${aws_service_discovery_private_dns_namespace.this.name}:8080", EVERSHELF_WEB_PROXIES = "1" }
      secrets = {
        EVERSHELF_WEB_SHOP_KEY       = local.secret.EVERSHELF_WEB_SHOP_KEY
        EVERSHELF_WEB_ADMIN_KEY      = local.secret.EVERSHELF_WEB_ADMIN_KEY
        EVERSHELF_WEB_PASSWORD       = local.secret.EVERSHELF_WEB_PASSWORD
        EVERSHELF_WEB_SESSION_SECRET = local.secret.EVERSHELF_WEB_SESSION_SECRET
      }
    }
  }
}

resource "aws_ecr_repository" "this" {
  for_each             = toset(["gateway", "inference", "training", "web"])
  name                 = "${var.name}/${each.key}"
  force_delete         = var.deletable
  image_tag_mutability = "MUTABLE"
  image_scanning_configuration { scan_on_push = true }
  encryption_configuration { encryption_type = "AES256" }
}

# Only the secret's place is made here; its value never passes through Terraform's state. See docs/guides/aws.md.
resource "aws_secretsmanager_secret" "app" {
  name                    = "${var.name}/app"
  recovery_window_in_days = var.deletable ? 0 : 30
}

resource "aws_ecs_cluster" "this" {
  name = var.name
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/${var.name}"
  retention_in_days = 30
}

resource "aws_service_discovery_private_dns_namespace" "this" {
  name = "${var.name}.internal"
  vpc  = var.vpc_id
}

resource "aws_service_discovery_service" "this" {
  for_each = toset(["gateway", "inference"])
  name     = each.key
  dns_config {
    namespace_id   = aws_service_discovery_private_dns_namespace.this.id
    routing_policy = "MULTIVALUE"
    dns_records {
      type = "A"
      ttl  = 5
    }
  }
  health_check_custom_config { failure_threshold = 1 }
}

resource "aws_ecs_task_definition" "this" {
  for_each                 = local.parts
  family                   = "${var.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = each.value.size.cpu
  memory                   = each.value.size.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task[each.key].arn
  volume { name = "data" }
  volume { name = "tmp" }
  container_definitions = jsonencode([{
    name                   = each.key
    image                  = "${aws_ecr_repository.this[each.key].repository_url}:${var.release}"
    essential              = true
    user                   = "10001:10001"
    readonlyRootFilesystem = true
    linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }
    portMappings           = [{ containerPort = each.value.port, protocol = "tcp" }]
    environment            = [for key, value in each.value.environment : { name = key, value = value }]
    secrets                = [for key, from in each.value.secrets : { name = key, valueFrom = from }]
    mountPoints            = [{ sourceVolume = "data", containerPath = each.value.data }, { sourceVolume = "tmp", containerPath = "/tmp" }]
    healthCheck            = { command = concat(["CMD"], each.value.live), interval = 10, timeout = 5, retries = 3, startPeriod = 60 }
    stopTimeout            = 30
    logConfiguration       = { logDriver = "awslogs", options = { awslogs-group = aws_cloudwatch_log_group.this.name, awslogs-region = var.region, awslogs-stream-prefix = each.key, mode = "non-blocking", max-buffer-size = "4m" } }
  }])
}

resource "aws_ecs_service" "this" {
  for_each                           = local.parts
  name                               = each.key
  cluster                            = aws_ecs_cluster.this.id
  task_definition                    = aws_ecs_task_definition.this[each.key].arn
  launch_type                        = "FARGATE"
  desired_count                      = each.value.size.min
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = each.key == "inference" ? null : 60
  # A release that does not come up, or that raises an alarm, is taken back by ECS itself.
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }
  dynamic "alarms" {
    for_each = each.key == "gateway" ? [1] : []
    content {
      enable      = true
      rollback    = true
      alarm_names = [aws_cloudwatch_metric_alarm.release.alarm_name]
    }
  }
  network_configuration {
    subnets          = var.task_subnet_ids
    security_groups  = [var.tasks_group_id]
    assign_public_ip = var.public_addresses
  }
  dynamic "load_balancer" {
    for_each = contains(["gateway", "web"], each.key) ? [1] : []
    content {
      target_group_arn = aws_lb_target_group.this[each.key].arn
      container_name   = each.key
      container_port   = each.value.port
    }
  }
  dynamic "service_registries" {
    for_each = contains(["gateway", "inference"], each.key) ? [1] : []
    content { registry_arn = aws_service_discovery_service.this[each.key].arn }
  }
  lifecycle { ignore_changes = [desired_count] }
  depends_on = [aws_lb_listener.this, aws_lb_listener_rule.api]
}

resource "aws_appautoscaling_target" "this" {
  for_each           = local.parts
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${aws_ecs_service.this[each.key].name}"
  min_capacity       = each.value.size.min
  max_capacity       = each.value.size.max
}

resource "aws_appautoscaling_policy" "cpu" {
  for_each           = local.parts
  name               = "${var.name}-${each.key}-cpu"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = aws_appautoscaling_target.this[each.key].resource_id
  target_tracking_scaling_policy_configuration {
    target_value       = 50
    scale_in_cooldown  = 300
    scale_out_cooldown = 30
    predefined_metric_specification { predefined_metric_type = "ECSServiceAverageCPUUtilization" }
  }
}

# Requests in flight per gateway: by Little's law requests a second times seconds each, from the load balancer's own figures.
resource "aws_appautoscaling_policy" "in_flight" {
  name               = "${var.name}-gateway-in-flight"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = aws_appautoscaling_target.this["gateway"].resource_id
  target_tracking_scaling_policy_configuration {
    target_value       = 16
    scale_in_cooldown  = 300
    scale_out_cooldown = 30
    customized_metric_specification {
      metrics {
        id          = "in_flight"
        label       = "requests in flight per gateway"
        expression  = "(asked / 60) * seconds / gateways"
        return_data = true
      }
      dynamic "metrics" {
        for_each = { asked = ["RequestCount", "Sum"], seconds = ["TargetResponseTime", "Average"], gateways = ["HealthyHostCount", "Average"] }
        content {
          id          = metrics.key
          return_data = false
          metric_stat {
            stat = metrics.value[1]
            metric {
              namespace   = "AWS/ApplicationELB"
              metric_name = metrics.value[0]
              dimensions {
                name  = "LoadBalancer"
                value = aws_lb.this.arn_suffix
              }
              dimensions {
                name  = "TargetGroup"
                value = aws_lb_target_group.this["gateway"].arn_suffix
              }
            }
          }
        }
      }
    }
  }
}
