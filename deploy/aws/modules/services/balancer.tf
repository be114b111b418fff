# One load balancer: /v1 goes to gateways that are ready, everything else to the web part; metrics go nowhere.
resource "aws_security_group" "balancer" {
  name        = "${var.name}-balancer"
  description = "Evershelf load balancer"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "balancer" {
  for_each          = toset(var.allowed_cidrs)
  security_group_id = aws_security_group.balancer.id
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = local.port
  to_port           = local.port
}

resource "aws_vpc_security_group_egress_rule" "balancer" {
  for_each                     = { web = 3000, gateway = 8080 }
  security_group_id            = aws_security_group.balancer.id
  referenced_security_group_id = var.tasks_group_id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}

resource "aws_vpc_security_group_ingress_rule" "tasks" {
  for_each                     = { web = 3000, gateway = 8080 }
  security_group_id            = var.tasks_group_id
  referenced_security_group_id = aws_security_group.balancer.id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}

locals {
  secure = var.certificate_arn != ""
  port   = local.secure ? 443 : 80
}

resource "aws_lb" "this" {
  name                       = var.name
  load_balancer_type         = "application"
  subnets                    = var.public_subnet_ids
  security_groups            = [aws_security_group.balancer.id]
  drop_invalid_header_fields = true
  enable_deletion_protection = !var.deletable
  idle_timeout               = 60
}

resource "aws_lb_target_group" "this" {
  for_each             = { gateway = { port = 8080, path = "/readyz" }, web = { port = 3000, path = "/healthz" } }
  name                 = "${var.name}-${each.key}"
  vpc_id               = var.vpc_id
  target_type          = "ip"
  protocol             = "HTTP"
  port                 = each.value.port
  deregistration_delay = 15
  # A gateway that has more to do gets less: it answers within its deadline, or sheds.
  load_balancing_algorithm_type = "least_outstanding_requests"
  health_check {
    path                = each.value.path
    interval            = 5
    timeout             = 2
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "this" {
  load_balancer_arn = aws_lb.this.arn
  port              = local.port
  protocol          = local.secure ? "HTTPS" : "HTTP"
  ssl_policy        = local.secure ? "ELBSecurityPolicy-TLS13-1-2-2021-06" : null
  certificate_arn   = local.secure ? var.certificate_arn : null
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this["web"].arn
  }
}

# /v1/admin stays inside: the console reaches it through the web part's own server.
resource "aws_lb_listener_rule" "admin" {
  listener_arn = aws_lb_listener.this.arn
  priority     = 10
  condition {
    path_pattern { values = ["/v1/admin", "/v1/admin/*"] }
  }
  action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      status_code  = "404"
    }
  }
}

resource "aws_lb_listener_rule" "api" {
  listener_arn = aws_lb_listener.this.arn
  priority     = 20
  condition {
    path_pattern { values = ["/v1/*"] }
  }
  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this["gateway"].arn
  }
}

# What takes a release back: gateways that answer 5xx where they answered none.
resource "aws_cloudwatch_metric_alarm" "release" {
  alarm_name          = "${var.name}-release"
  alarm_description   = "Gateways answer 5xx: a release under way is taken back."
  namespace           = "AWS/ApplicationELB"
  metric_name         = "HTTPCode_Target_5XX_Count"
  dimensions          = { LoadBalancer = aws_lb.this.arn_suffix, TargetGroup = aws_lb_target_group.this["gateway"].arn_suffix }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 2
  threshold           = 5
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
}
