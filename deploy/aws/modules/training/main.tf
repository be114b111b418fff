# The batch image: trains on a schedule, renews the snapshot all the time, and runs what an operator asks for.
variable "name" { type = string }
variable "region" { type = string }
variable "image" { type = string }
variable "cluster_arn" { type = string }
variable "subnet_ids" { type = list(string) }
variable "public_addresses" { type = bool }
variable "tasks_group_id" { type = string }
variable "execution_role" { type = string }
variable "log_group" { type = string }
variable "app_secret" { type = string }
variable "environment" { type = map(string) }
variable "database_secret" { type = string }
variable "registry_policy" { type = string }
variable "size" { type = object({ cpu = number, memory = number }) }
variable "schedule" { type = string }

locals {
  tasks = {
    trainer   = { size = var.size, command = ["retrain"] }
    refresher = { size = { cpu = 256, memory = 1024 }, command = ["refresh", "--every", "5m"] }
  }
  keys = ["EVERSHELF_KEY_SECRET", "EVERSHELF_REGISTRY_SIGNING_KEY", "EVERSHELF_OPERATOR_KEY", "EVERSHELF_WEB_SHOP_KEY", "EVERSHELF_WEB_ADMIN_KEY"]
}

resource "aws_iam_role" "task" {
  name = "${var.name}-training"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ecs-tasks.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy_attachment" "registry" {
  role       = aws_iam_role.task.name
  policy_arn = var.registry_policy
}

resource "aws_ecs_task_definition" "this" {
  for_each                 = local.tasks
  family                   = "${var.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = each.value.size.cpu
  memory                   = each.value.size.memory
  execution_role_arn       = var.execution_role
  task_role_arn            = aws_iam_role.task.arn
  volume { name = "data" }
  volume { name = "tmp" }
  container_definitions = jsonencode([{
    name                   = each.key
    image                  = var.image
    essential              = true
    command                = each.value.command
    user                   = "10001:10001"
    readonlyRootFilesystem = true
    linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }
    environment            = [for key, value in var.environment : { name = key, value = value }]
    secrets                = concat([{ name = "PGPASSWORD", valueFrom = "${var.database_secret}:password::" }], [for key in local.keys : { name = key, valueFrom = "${var.app_secret}:${key}::" }])
    mountPoints            = [{ sourceVolume = "data", containerPath = "/var/lib/evershelf/training" }, { sourceVolume = "tmp", containerPath = "/tmp" }]
    logConfiguration       = { logDriver = "awslogs", options = { awslogs-group = var.log_group, awslogs-region = var.region, awslogs-stream-prefix = each.key } }
  }])
}

resource "aws_ecs_service" "refresher" {
  name                               = "refresher"
  cluster                            = var.cluster_arn
  task_definition                    = aws_ecs_task_definition.this["refresher"].arn
  launch_type                        = "FARGATE"
  desired_count                      = 1
  deployment_minimum_healthy_percent = 0
  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [var.tasks_group_id]
    assign_public_ip = var.public_addresses
  }
}

resource "aws_iam_role" "schedule" {
  name = "${var.name}-schedule"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "scheduler.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy" "schedule" {
  name = "run"
  role = aws_iam_role.schedule.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = "ecs:RunTask", Resource = "${aws_ecs_task_definition.this["trainer"].arn_without_revision}:*", Condition = { ArnEquals = { "ecs:cluster" = var.cluster_arn } } },
      { Effect = "Allow", Action = "iam:PassRole", Resource = [var.execution_role, aws_iam_role.task.arn] },
    ]
  })
}

resource "aws_scheduler_schedule" "retrain" {
  name                = "${var.name}-retrain"
  schedule_expression = var.schedule
  flexible_time_window { mode = "OFF" }
  target {
    arn      = var.cluster_arn
    role_arn = aws_iam_role.schedule.arn
    ecs_parameters {
      task_definition_arn = aws_ecs_task_definition.this["trainer"].arn
      launch_type         = "FARGATE"
      network_configuration {
        subnets          = var.subnet_ids
        security_groups  = [var.tasks_group_id]
        assign_public_ip = var.public_addresses
      }
    }
    # Two at a time would only wait for each other: the verb itself lets one process train.
    retry_policy { maximum_retry_attempts = 1 }
  }
}

output "task_definition" { value = aws_ecs_task_definition.this["trainer"].family }
output "role_arn" { value = aws_iam_role.task.arn }
output "network" {
  value = jsonencode({ awsvpcConfiguration = { subnets = var.subnet_ids, securityGroups = [var.tasks_group_id], assignPublicIp = var.public_addresses ? "ENABLED" : "DISABLED" } })
}
