# Model versions, snapshots and aliases in S3: versioned, encrypted, never public, and for each part no more than it does.
variable "name" { type = string }
variable "deletable" { type = bool }

data "aws_caller_identity" "me" {}

resource "aws_s3_bucket" "this" {
  bucket        = "${var.name}-registry-${data.aws_caller_identity.me.account_id}"
  force_destroy = var.deletable
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id
  versioning_configuration { status = "Enabled" }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id
  rule {
    apply_server_side_encryption_by_default { sse_algorithm = "AES256" }
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket     = aws_s3_bucket.this.id
  depends_on = [aws_s3_bucket_versioning.this]
  rule {
    id     = "forget"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration { noncurrent_days = 30 }
    abort_incomplete_multipart_upload { days_after_initiation = 1 }
  }
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
  depends_on = [aws_s3_bucket_public_access_block.this]
}

locals {
  list = { Effect = "Allow", Action = "s3:ListBucket", Resource = aws_s3_bucket.this.arn, Condition = { StringLike = { "s3:prefix" = "registry/*" } } }
  read = { Effect = "Allow", Action = "s3:GetObject", Resource = "${aws_s3_bucket.this.arn}/registry/*" }
  # Inference reads. A gateway moves aliases, too: it withdraws a challenger that breaks a guardrail. Training publishes and sweeps.
  statements = {
    read    = [local.list, local.read]
    choose  = [local.list, local.read, { Effect = "Allow", Action = "s3:PutObject", Resource = "${aws_s3_bucket.this.arn}/registry/aliases/*" }, { Effect = "Allow", Action = "s3:DeleteObject", Resource = "${aws_s3_bucket.this.arn}/registry/aliases/*" }]
    publish = [local.list, local.read, { Effect = "Allow", Action = ["s3:PutObject", "s3:DeleteObject"], Resource = "${aws_s3_bucket.this.arn}/registry/*" }]
  }
}

resource "aws_iam_policy" "this" {
  for_each = local.statements
  name     = "${var.name}-registry-${each.key}"
  policy   = jsonencode({ Version = "2012-10-17", Statement = each.value })
}

output "bucket" { value = aws_s3_bucket.this.id }
output "policies" { value = { for name, policy in aws_iam_policy.this : name => policy.arn } }
