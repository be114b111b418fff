terraform {
  required_version = ">= 1.9"
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 5.90, < 6.0" }
  }
  # Keep the state where the team can reach it, for example: backend "s3" { bucket = ..., key = "evershelf", use_lockfile = true }
}

provider "aws" {
  region = var.region
  default_tags { tags = { project = var.name, managed-by = "terraform" } }
}
