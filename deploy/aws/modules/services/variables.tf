variable "name" { type = string }
variable "region" { type = string }
variable "release" { type = string }
variable "vpc_id" { type = string }
variable "public_subnet_ids" { type = list(string) }
variable "task_subnet_ids" { type = list(string) }
variable "public_addresses" { type = bool }
variable "tasks_group_id" { type = string }
variable "certificate_arn" { type = string }
variable "allowed_cidrs" { type = list(string) }
variable "database_url" { type = string }
variable "database_secret" { type = string }
variable "registry_bucket" { type = string }
variable "registry_policies" { type = map(string) }
variable "registry_public_key" { type = string }
variable "deletable" { type = bool }
variable "gateway" { type = object({ cpu = number, memory = number, min = number, max = number }) }
variable "inference" { type = object({ cpu = number, memory = number, min = number, max = number }) }
variable "web" { type = object({ cpu = number, memory = number, min = number, max = number }) }
variable "environment" { type = map(string) }
