# What a reviewer would look for, asserted on the whole configuration with a made-up provider: no account, no network.
mock_provider "aws" {
  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-central-1a", "eu-central-1b", "eu-central-1c"] }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/made-up" }
  }
  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::123456789012:policy/made-up" }
  }
  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::123456789012:oidc-provider/made-up" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::made-up" }
  }
  mock_resource "aws_lb" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/made-up/1", arn_suffix = "app/made-up/1", dns_name = "made-up.example" }
  }
  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/made-up/1", arn_suffix = "targetgroup/made-up/1" }
  }
  mock_resource "aws_lb_listener" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/made-up/1/1" }
  }
  mock_resource "aws_ecs_cluster" {
    defaults = { arn = "arn:aws:ecs:eu-central-1:123456789012:cluster/made-up" }
  }
  mock_resource "aws_ecs_task_definition" {
    defaults = { arn = "arn:aws:ecs:eu-central-1:123456789012:task-definition/made-up:1", arn_without_revision = "arn:aws:ecs:eu-central-1:123456789012:task-definition/made-up" }
  }
  mock_resource "aws_service_discovery_service" {
    defaults = { arn = "arn:aws:servicediscovery:eu-central-1:123456789012:service/srv-made-up" }
  }
  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:made-up" } # pragma: allowlist secret
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:123456789012:made-up" }
  }
  mock_resource "aws_db_instance" {
    defaults = { address = "made-up.example", master_user_secret = [{ secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:database" }] } # pragma: allowlist secret
  }
}

variables {
  registry_public_key  = "0000000000000000000000000000000000000000000000000000000000000000"
  alarm_email          = "alarms@example.com"
  certificate_arn      = "arn:aws:acm:eu-central-1:123456789012:certificate/made-up"
  github_repository    = "example/evershelf"
  high_availability    = true
  deletable            = false
  database_class       = "db.t4g.medium"
  database_backup_days = 14
  gateway              = { cpu = 1024, memory = 2048, min = 2, max = 8 }
  inference            = { cpu = 1024, memory = 4096, min = 2, max = 8 }
  web                  = { cpu = 512, memory = 1024, min = 2, max = 4 }
  trainer              = { cpu = 2048, memory = 8192 }
}

run "database" {
  module { source = "./modules/database" }
  variables {
    name         = "evershelf"
    vpc_id       = "vpc-1"
    subnet_ids   = ["subnet-1", "subnet-2"]
    class        = "db.t4g.medium"
    storage_gb   = 50
    backup_days  = 14
    standby      = true
    deletable    = false
    client_group = "sg-tasks"
  }
  assert {
    condition     = aws_db_instance.this.storage_encrypted && aws_db_instance.this.publicly_accessible == false
    error_message = "The database must be encrypted and must not be public."
  }
  assert {
    condition     = aws_db_instance.this.manage_master_user_password && aws_db_instance.this.password == null
    error_message = "The password must live in Secrets Manager and nowhere in the state."
  }
  assert {
    condition     = aws_db_instance.this.multi_az && aws_db_instance.this.backup_retention_period == 14 && aws_db_instance.this.deletion_protection && !aws_db_instance.this.skip_final_snapshot
    error_message = "Production has a standby, backups, and cannot be deleted by accident."
  }
  assert {
    condition     = one([for p in aws_db_parameter_group.this.parameter : p.value if p.name == "rds.force_ssl"]) == "1"
    error_message = "Connections must be encrypted."
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.database.cidr_ipv4 == null && aws_vpc_security_group_ingress_rule.database.referenced_security_group_id == "sg-tasks"
    error_message = "Only tasks may reach the database."
  }
}

run "registry" {
  module { source = "./modules/registry" }
  variables {
    name      = "evershelf"
    deletable = false
  }
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls, aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls, aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "The registry must not be public."
  }
  assert {
    condition     = one(aws_s3_bucket_versioning.this.versioning_configuration).status == "Enabled" && one(one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256"
    error_message = "The registry must be versioned and encrypted."
  }
  assert {
    condition     = !aws_s3_bucket.this.force_destroy && strcontains(aws_s3_bucket_policy.this.policy, "aws:SecureTransport")
    error_message = "No deletion by accident, and no access without TLS."
  }
  # Least privilege: reading never writes, choosing writes aliases only, and nobody has a wildcard.
  assert {
    condition     = !strcontains(aws_iam_policy.this["read"].policy, "PutObject") && !strcontains(aws_iam_policy.this["read"].policy, "DeleteObject")
    error_message = "Inference must not write."
  }
  assert {
    condition     = alltrue([for s in jsondecode(aws_iam_policy.this["choose"].policy).Statement : endswith(s.Resource, "/registry/aliases/*") if contains(["s3:PutObject", "s3:DeleteObject"], try(tostring(s.Action), ""))])
    error_message = "A gateway writes aliases only."
  }
  assert {
    condition     = alltrue(flatten([for p in aws_iam_policy.this : [for s in jsondecode(p.policy).Statement : [for a in flatten([s.Action]) : !endswith(a, "*")]]]))
    error_message = "No policy may allow s3:*."
  }
}

run "whole" {
  assert {
    condition     = length(output.alarms) >= 14
    error_message = "There are fewer alarms than promises."
  }
  # One for every promise that the issue of monitoring names.
  assert {
    condition = length(setsubtract(
      [for a in ["valid-in-time", "degraded", "errors-5xx", "deadline-miss", "event-lag", "spool-depth", "snapshot-age", "training-age", "no-gateway"] : "evershelf-${a}"], output.alarms
    )) == 0
    error_message = "A promise has no alarm."
  }
  assert {
    condition     = startswith(output.url, "https://")
    error_message = "With a certificate there is no plain HTTP."
  }
  assert {
    condition     = output.ci_role != null
    error_message = "With a repository there is a role for it."
  }
}

run "monitoring" {
  module { source = "./modules/monitoring" }
  variables {
    name           = "evershelf"
    region         = "eu-central-1"
    email          = "alarms@example.com"
    load_balancer  = "app/made-up/1"
    gateway_target = "targetgroup/made-up/1"
    database       = "evershelf"
  }
  assert {
    condition     = alltrue([for a in concat(values(aws_cloudwatch_metric_alarm.computed), values(aws_cloudwatch_metric_alarm.seen)) : contains(a.alarm_actions, aws_sns_topic.alarms.arn) && length(a.ok_actions) == 1])
    error_message = "Every alarm must tell somebody, and tell when it is over."
  }
  assert {
    condition     = alltrue([for a in concat(values(aws_cloudwatch_metric_alarm.computed), values(aws_cloudwatch_metric_alarm.seen)) : fileexists("../../${a.alarm_description}")])
    error_message = "Every alarm must name a page of docs/runbooks that exists."
  }
  assert {
    condition     = aws_sns_topic.alarms.kms_master_key_id != null && aws_kms_key.alarms.enable_key_rotation
    error_message = "The topic must be encrypted."
  }
  assert {
    condition     = length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets) == length(aws_cloudwatch_metric_alarm.computed) + length(aws_cloudwatch_metric_alarm.seen)
    error_message = "What alarms must be on the dashboard."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.seen["no-gateway"].treat_missing_data == "breaching"
    error_message = "Silence about gateways is an alarm."
  }
}

run "services" {
  module { source = "./modules/services" }
  variables {
    name                = "evershelf"
    region              = "eu-central-1"
    release             = "1"
    vpc_id              = "vpc-1"
    public_subnet_ids   = ["subnet-1", "subnet-2"]
    task_subnet_ids     = ["subnet-3", "subnet-4"]
    public_addresses    = false
    tasks_group_id      = "sg-tasks"
    allowed_cidrs       = ["0.0.0.0/0"]
    database_url        = "postgresql://evershelf@made-up.example:5432/evershelf"
    database_secret     = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:database" # pragma: allowlist secret
    registry_bucket     = "made-up"
    registry_policies   = { read = "arn:aws:iam::123456789012:policy/read", choose = "arn:aws:iam::123456789012:policy/choose", publish = "arn:aws:iam::123456789012:policy/publish" }
    registry_public_key = "0000000000000000000000000000000000000000000000000000000000000000"
    environment         = {}
  }
  assert {
    condition     = alltrue([for t in aws_ecs_task_definition.this : jsondecode(t.container_definitions)[0].readonlyRootFilesystem && jsondecode(t.container_definitions)[0].user == "10001:10001" && jsondecode(t.container_definitions)[0].linuxParameters.capabilities.drop == ["ALL"]])
    error_message = "Tasks are not root, write nowhere but to their volumes, and have no capabilities."
  }
  assert {
    condition     = alltrue([for t in aws_ecs_task_definition.this : alltrue([for e in jsondecode(t.container_definitions)[0].environment : !can(regex("PASSWORD|SECRET|SHOP_KEY|ADMIN_KEY|SIGNING", e.name))])])
    error_message = "No secret may stand in a task definition."
  }
  assert {
    condition     = length(jsondecode(aws_ecs_task_definition.this["inference"].container_definitions)[0].secrets) == 0
    error_message = "Inference knows no secret."
  }
  assert {
    condition     = aws_lb_target_group.this["gateway"].health_check[0].path == "/readyz"
    error_message = "Only ready gateways get requests."
  }
  assert {
    condition     = alltrue([for s in aws_ecs_service.this : s.deployment_circuit_breaker[0].rollback && s.deployment_minimum_healthy_percent == 100])
    error_message = "A bad release must be taken back, and no release may leave fewer tasks than before."
  }
  assert {
    condition     = one(aws_ecs_service.this["gateway"].alarms).rollback
    error_message = "An alarm must take a gateway's release back."
  }
  assert {
    condition     = aws_iam_role_policy_attachment.registry["inference"].policy_arn == "arn:aws:iam::123456789012:policy/read" && !contains(keys(aws_iam_role_policy_attachment.registry), "web")
    error_message = "Inference reads the registry, the web part does not know it."
  }
  assert {
    condition     = aws_lb.this.enable_deletion_protection && aws_lb_listener.this.protocol == "HTTPS" && aws_lb_listener_rule.admin.action[0].type == "fixed-response"
    error_message = "TLS outside, and no admin API."
  }
}

run "ci" {
  module { source = "./modules/ci" }
  variables {
    name       = "evershelf"
    repository = "example/evershelf"
    images     = ["arn:aws:ecr:eu-central-1:123456789012:repository/evershelf/gateway"]
    services   = ["arn:aws:ecs:eu-central-1:123456789012:service/evershelf/gateway"]
    pass_roles = ["arn:aws:iam::123456789012:role/evershelf-gateway"]
  }
  assert {
    condition     = strcontains(aws_iam_role.ci.assume_role_policy, "repo:example/evershelf:ref:refs/heads/main") && strcontains(aws_iam_role.ci.assume_role_policy, "sts.amazonaws.com")
    error_message = "Only the main branch of the one repository may take this role."
  }
  assert {
    condition     = alltrue([for s in jsondecode(aws_iam_role_policy.ci.policy).Statement : s.Resource != "*" || s.Sid == "NoResource"])
    error_message = "The role reaches what it releases and nothing else."
  }
}

run "refuses_a_key_that_is_none" {
  command = plan
  variables { registry_public_key = "changeme" }
  expect_failures = [var.registry_public_key]
}
