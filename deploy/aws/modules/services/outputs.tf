output "url" { value = "${local.secure ? "https" : "http"}://${aws_lb.this.dns_name}" }
output "cluster_arn" { value = aws_ecs_cluster.this.arn }
output "repositories" { value = { for name, repository in aws_ecr_repository.this : name => repository.repository_url } }
output "repository_arns" { value = { for name, repository in aws_ecr_repository.this : name => repository.arn } }
output "service_arns" { value = [for service in aws_ecs_service.this : service.id] }
output "role_arns" { value = { for name, role in aws_iam_role.task : name => role.arn } }
output "execution_role_arn" { value = aws_iam_role.execution.arn }
output "log_group" { value = aws_cloudwatch_log_group.this.name }
output "app_secret_arn" { value = aws_secretsmanager_secret.app.arn }
output "load_balancer_suffix" { value = aws_lb.this.arn_suffix }
output "gateway_target_suffix" { value = aws_lb_target_group.this["gateway"].arn_suffix }
output "batch_environment" { value = merge(local.registry, { EVERSHELF_DATABASE_URL = var.database_url, EVERSHELF_CLI_JSON_LINES = "true" }) }
