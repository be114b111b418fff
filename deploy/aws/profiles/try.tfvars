# One of everything, nothing kept: for an afternoon. docs/guides/aws.md tells what it costs.
high_availability       = false
tasks_in_public_subnets = true
deletable               = true
database_class          = "db.t4g.micro"
database_backup_days    = 1
gateway                 = { cpu = 512, memory = 1024, min = 1, max = 2 }
inference               = { cpu = 512, memory = 2048, min = 1, max = 2 }
web                     = { cpu = 256, memory = 512, min = 1, max = 1 }
trainer                 = { cpu = 1024, memory = 4096 }
retrain_schedule        = "rate(1 day)"
