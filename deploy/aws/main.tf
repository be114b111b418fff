module "network" {
  source = "./modules/network"
  name   = var.name
  nats   = var.tasks_in_public_subnets ? 0 : (var.high_availability ? 2 : 1)
}

module "registry" {
  source    = "./modules/registry"
  name      = var.name
  deletable = var.deletable
}

module "database" {
  source       = "./modules/database"
  name         = var.name
  vpc_id       = module.network.vpc_id
  subnet_ids   = module.network.private_subnet_ids
  class        = var.database_class
  storage_gb   = var.database_storage_gb
  backup_days  = var.database_backup_days
  standby      = var.high_availability
  deletable    = var.deletable
  client_group = module.network.tasks_group_id
}

module "services" {
  source              = "./modules/services"
  name                = var.name
  region              = var.region
  release             = var.release
  vpc_id              = module.network.vpc_id
  public_subnet_ids   = module.network.public_subnet_ids
  task_subnet_ids     = var.tasks_in_public_subnets ? module.network.public_subnet_ids : module.network.private_subnet_ids
  public_addresses    = var.tasks_in_public_subnets
  tasks_group_id      = module.network.tasks_group_id
  certificate_arn     = var.certificate_arn
  allowed_cidrs       = var.allowed_cidrs
  database_url        = module.database.url
  database_secret     = module.database.secret_arn
  registry_bucket     = module.registry.bucket
  registry_policies   = module.registry.policies
  registry_public_key = var.registry_public_key
  deletable           = var.deletable
  gateway             = var.gateway
  inference           = var.inference
  web                 = var.web
  environment         = var.environment
}

module "training" {
  source           = "./modules/training"
  name             = var.name
  region           = var.region
  image            = "${module.services.repositories["training"]}:${var.release}"
  cluster_arn      = module.services.cluster_arn
  subnet_ids       = var.tasks_in_public_subnets ? module.network.public_subnet_ids : module.network.private_subnet_ids
  public_addresses = var.tasks_in_public_subnets
  tasks_group_id   = module.network.tasks_group_id
  execution_role   = module.services.execution_role_arn
  log_group        = module.services.log_group
  app_secret       = module.services.app_secret_arn
  environment      = module.services.batch_environment
  database_secret  = module.database.secret_arn
  registry_policy  = module.registry.policies.publish
  size             = var.trainer
  schedule         = var.retrain_schedule
}

module "monitoring" {
  source         = "./modules/monitoring"
  name           = var.name
  region         = var.region
  email          = var.alarm_email
  load_balancer  = module.services.load_balancer_suffix
  gateway_target = module.services.gateway_target_suffix
  database       = module.database.identifier
}

module "ci" {
  count      = var.github_repository == "" ? 0 : 1
  source     = "./modules/ci"
  name       = var.name
  repository = var.github_repository
  images     = values(module.services.repository_arns)
  services   = module.services.service_arns
  pass_roles = concat([module.services.execution_role_arn, module.training.role_arn], values(module.services.role_arns))
}
