# PostgreSQL that only tasks can reach, encrypted at rest and on the way; its password lives in Secrets Manager and rotates there.
variable "name" { type = string }
variable "vpc_id" { type = string }
variable "subnet_ids" { type = list(string) }
variable "class" { type = string }
variable "storage_gb" { type = number }
variable "backup_days" { type = number }
variable "standby" { type = bool }
variable "deletable" { type = bool }
variable "client_group" { type = string }

resource "aws_db_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

resource "aws_security_group" "database" {
  name        = "${var.name}-database"
  description = "Evershelf database"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  security_group_id            = aws_security_group.database.id
  referenced_security_group_id = var.client_group
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_db_parameter_group" "this" {
  name   = var.name
  family = "postgres16"
  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }
}

resource "aws_db_instance" "this" {
  identifier                   = var.name
  engine                       = "postgres"
  engine_version               = "16"
  instance_class               = var.class
  db_name                      = "evershelf"
  username                     = "evershelf"
  manage_master_user_password  = true
  allocated_storage            = var.storage_gb
  max_allocated_storage        = var.storage_gb * 10
  storage_type                 = "gp3"
  storage_encrypted            = true
  multi_az                     = var.standby
  publicly_accessible          = false
  db_subnet_group_name         = aws_db_subnet_group.this.name
  vpc_security_group_ids       = [aws_security_group.database.id]
  parameter_group_name         = aws_db_parameter_group.this.name
  backup_retention_period      = var.backup_days
  copy_tags_to_snapshot        = true
  auto_minor_version_upgrade   = true
  performance_insights_enabled = true
  deletion_protection          = !var.deletable
  skip_final_snapshot          = var.deletable
  final_snapshot_identifier    = var.deletable ? null : "${var.name}-last"
}

output "identifier" { value = aws_db_instance.this.identifier }
output "secret_arn" { value = aws_db_instance.this.master_user_secret[0].secret_arn }
# Without the password: the driver takes it from PGPASSWORD, which each task gets from the secret.
output "url" { value = "postgresql://evershelf@${aws_db_instance.this.address}:5432/evershelf?sslmode=require" }
