variable "name" {
  description = "Prefix of everything that is made."
  type        = string
  default     = "evershelf"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "2 to 20 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "region" {
  type    = string
  default = "eu-central-1"
}

variable "release" {
  description = "Tag of the images in this account's repositories."
  type        = string
  default     = "latest"
}

variable "high_availability" {
  description = "Two of everything, in two zones; a standby of the database; a NAT gateway a zone."
  type        = bool
}

variable "tasks_in_public_subnets" {
  description = "Tasks get public addresses instead of NAT gateways; security groups still let nobody in. Saves their price."
  type        = bool
  default     = false
}

variable "database_class" { type = string }
variable "database_storage_gb" {
  type    = number
  default = 20
}
variable "database_backup_days" {
  type    = number
  default = 7
}
variable "deletable" {
  description = "Lets `terraform destroy` take database and registry with it, without a last snapshot."
  type        = bool
}

variable "gateway" {
  description = "CPU in units of 1/1024, memory in MiB, and between how many tasks the service scales."
  type        = object({ cpu = number, memory = number, min = number, max = number })
}
variable "inference" {
  type = object({ cpu = number, memory = number, min = number, max = number })
}
variable "web" {
  type = object({ cpu = number, memory = number, min = number, max = number })
}
variable "trainer" {
  type = object({ cpu = number, memory = number })
}

variable "retrain_schedule" {
  description = "EventBridge's rate(...) or cron(...)."
  type        = string
  default     = "rate(6 hours)"
}

variable "registry_public_key" {
  description = "The public half of the signing key (EVERSHELF_REGISTRY_PUBLIC_KEYS of deploy/compose/make-secrets)."
  type        = string
  validation {
    condition     = can(regex("^[0-9a-f]{64}$", var.registry_public_key))
    error_message = "An Ed25519 public key: 64 hexadecimal digits."
  }
}

variable "certificate_arn" {
  description = "Certificate of the load balancer. Empty: plain HTTP, for trying only."
  type        = string
  default     = ""
}

variable "allowed_cidrs" {
  description = "Who may reach the load balancer."
  type        = list(string)
  default     = ["0.0.0.0/0"]
}

variable "alarm_email" {
  description = "Gets the alarms, after confirming. Empty: nobody does."
  type        = string
  default     = ""
}

variable "github_repository" {
  description = "owner/name that may push images and roll out from its main branch. Empty: no such role."
  type        = string
  default     = ""
}

variable "environment" {
  description = "More EVERSHELF_* settings of the gateways; no secrets."
  type        = map(string)
  default     = {}
}
