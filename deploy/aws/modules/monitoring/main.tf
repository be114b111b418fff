# Alarms on the promise, told through one topic, and one dashboard.
variable "name" { type = string }
variable "region" { type = string }
variable "email" { type = string }
variable "load_balancer" { type = string }
variable "gateway_target" { type = string }
variable "database" { type = string }

locals {
  gateway  = { LoadBalancer = var.load_balancer, TargetGroup = var.gateway_target }
  database = { DBInstanceIdentifier = var.database }
  # What gateways report under the namespace Evershelf, summed or at its worst over all of them.
  own = {
    answers      = ["Answers", "Sum"]
    late         = ["LateAnswers", "Sum"]
    degraded     = ["DegradedAnswers", "Sum"]
    failed       = ["FailedRequests", "Sum"]
    empty        = ["EmptyAnswers", "Sum"]
    pending      = ["SpoolEventsPending", "Maximum"]
    lag          = ["SpoolOldestEventAge", "Maximum"]
    snapshot_age = ["SnapshotAge", "Maximum"]
    training_age = ["TrainingAge", "Maximum"]
    circuit      = ["InferenceCircuitClosed", "Minimum"]
  }
  # Each alarm: what it reads, what it computes, beyond what for how many minutes, and the page that says what to do.
  computed = {
    valid-in-time = { reads = ["answers", "late", "failed", "empty"], expression = "IF(answers + failed > 0, 100 * (1 - (late + failed + empty) / (answers + failed)), 100)", below = 99.9, above = null, minutes = 5, runbook = "EvershelfPromiseBurnsFast" }
    deadline-miss = { reads = ["answers", "late"], expression = "IF(answers > 0, 100 * late / answers, 0)", below = null, above = 0.6, minutes = 5, runbook = "EvershelfPromiseBurnsSlowly" }
    degraded      = { reads = ["answers", "degraded"], expression = "IF(answers > 0, 100 * degraded / answers, 0)", below = null, above = 5, minutes = 5, runbook = "EvershelfDegraded" }
    event-lag     = { reads = ["lag"], expression = "lag", below = null, above = 600, minutes = 5, runbook = "EvershelfShippingFails" }
    spool-depth   = { reads = ["pending"], expression = "pending", below = null, above = 10000, minutes = 10, runbook = "EvershelfSpoolDeep" }
    snapshot-age  = { reads = ["snapshot_age"], expression = "snapshot_age", below = null, above = 86400, minutes = 5, runbook = "EvershelfSnapshotOld" }
    training-age  = { reads = ["training_age"], expression = "training_age", below = null, above = 172800, minutes = 5, runbook = "EvershelfModelOld" }
    circuit-open  = { reads = ["circuit"], expression = "circuit", below = 1, above = null, minutes = 5, runbook = "EvershelfCircuitOpen" }
  }
  # What AWS itself sees, whether or not a gateway can still say anything.
  seen = {
    no-gateway    = { namespace = "AWS/ApplicationELB", metric = "HealthyHostCount", statistic = "Minimum", dimensions = local.gateway, comparison = "LessThanThreshold", threshold = 1, minutes = 2, missing = "breaching", runbook = "EvershelfNoGateway" }
    errors-5xx    = { namespace = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count", statistic = "Sum", dimensions = local.gateway, comparison = "GreaterThanThreshold", threshold = 5, minutes = 2, missing = "notBreaching", runbook = "EvershelfErrorsCaught" }
    balancer-5xx  = { namespace = "AWS/ApplicationELB", metric = "HTTPCode_ELB_5XX_Count", statistic = "Sum", dimensions = { LoadBalancer = var.load_balancer }, comparison = "GreaterThanThreshold", threshold = 5, minutes = 2, missing = "notBreaching", runbook = "EvershelfNoGateway" }
    slow          = { namespace = "AWS/ApplicationELB", metric = "TargetResponseTime", statistic = "p99.9", dimensions = local.gateway, comparison = "GreaterThanThreshold", threshold = 0.2, minutes = 5, missing = "notBreaching", runbook = "EvershelfPromiseBurnsSlowly" }
    database-cpu  = { namespace = "AWS/RDS", metric = "CPUUtilization", statistic = "Average", dimensions = local.database, comparison = "GreaterThanThreshold", threshold = 80, minutes = 15, missing = "notBreaching", runbook = "EvershelfShippingFails" }
    database-disk = { namespace = "AWS/RDS", metric = "FreeStorageSpace", statistic = "Minimum", dimensions = local.database, comparison = "LessThanThreshold", threshold = 2000000000, minutes = 5, missing = "notBreaching", runbook = "EvershelfDatabaseDown" }
  }
}

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = aws_kms_key.alarms.id
}

# AWS's own key for topics does not let CloudWatch in.
resource "aws_kms_key" "alarms" {
  description             = "${var.name} alarms"
  enable_key_rotation     = true
  deletion_window_in_days = 7
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Sid = "Account", Effect = "Allow", Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.me.account_id}:root" }, Action = "kms:*", Resource = "*" },
      { Sid = "CloudWatch", Effect = "Allow", Principal = { Service = "cloudwatch.amazonaws.com" }, Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = "*", Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.me.account_id } } },
    ]
  })
}

data "aws_caller_identity" "me" {}

resource "aws_sns_topic_subscription" "email" {
  count     = var.email == "" ? 0 : 1
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.email
}

resource "aws_cloudwatch_metric_alarm" "computed" {
  for_each            = local.computed
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "docs/runbooks/${each.value.runbook}.md"
  comparison_operator = each.value.above == null ? "LessThanThreshold" : "GreaterThanThreshold"
  threshold           = coalesce(each.value.above, each.value.below)
  evaluation_periods  = each.value.minutes
  datapoints_to_alarm = each.value.minutes
  treat_missing_data  = "missing"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
  metric_query {
    id          = "judged"
    label       = each.key
    expression  = each.value.expression
    return_data = true
  }
  dynamic "metric_query" {
    for_each = { for name in each.value.reads : name => local.own[name] }
    content {
      id = metric_query.key
      metric {
        namespace   = "Evershelf"
        metric_name = metric_query.value[0]
        stat        = metric_query.value[1]
        period      = 60
        dimensions  = { Service = "gateway" }
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "seen" {
  for_each            = local.seen
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "docs/runbooks/${each.value.runbook}.md"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  dimensions          = each.value.dimensions
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = each.value.minutes
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

locals {
  charts = concat(
    [for name, alarm in local.computed : {
      title   = name
      metrics = concat([[{ expression = alarm.expression, label = name, id = "judged" }]], [for read in alarm.reads : ["Evershelf", local.own[read][0], "Service", "gateway", { id = read, stat = local.own[read][1], visible = false }]])
    }],
    [for name, alarm in local.seen : {
      title   = name
      metrics = [concat([alarm.namespace, alarm.metric], flatten([for key, value in alarm.dimensions : [key, value]]), [{ stat = alarm.statistic }])]
    }],
  )
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = [for number, chart in local.charts : {
      type       = "metric", x = 8 * (number % 3), y = 6 * floor(number / 3), width = 8, height = 6
      properties = { title = chart.title, region = var.region, period = 60, view = "timeSeries", metrics = chart.metrics }
    }]
  })
}

output "alarms" { value = concat([for alarm in aws_cloudwatch_metric_alarm.computed : alarm.alarm_name], [for alarm in aws_cloudwatch_metric_alarm.seen : alarm.alarm_name]) }
