# Two of everything in two zones, a standby database, private subnets. docs/guides/aws.md tells what it costs.
high_availability    = true
deletable            = false
database_class       = "db.t4g.medium"
database_storage_gb  = 50
database_backup_days = 14
gateway              = { cpu = 1024, memory = 2048, min = 2, max = 8 }
inference            = { cpu = 1024, memory = 4096, min = 2, max = 8 }
web                  = { cpu = 512, memory = 1024, min = 2, max = 4 }
trainer              = { cpu = 2048, memory = 8192 }
