# A role for GitHub Actions of one repository's main branch: pushes images, rolls out. No key is stored anywhere.
variable "name" { type = string }
variable "repository" { type = string }
variable "images" { type = list(string) }
variable "services" { type = list(string) }
variable "pass_roles" { type = list(string) }

resource "aws_iam_openid_connect_provider" "github" {
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "ci" {
  name                 = "${var.name}-ci"
  max_session_duration = 3600
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = aws_iam_openid_connect_provider.github.arn }
      Condition = {
        StringEquals = {
          "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
          "token.actions.githubusercontent.com:sub" = "repo:${var.repository}:ref:refs/heads/main"
        }
      }
    }]
  })
}

resource "aws_iam_role_policy" "ci" {
  name = "release"
  role = aws_iam_role.ci.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      # These three know no resource: AWS grants them on everything or not at all.
      { Sid = "NoResource", Effect = "Allow", Action = ["ecr:GetAuthorizationToken", "ecs:RegisterTaskDefinition", "ecs:DescribeTaskDefinition"], Resource = "*" },
      { Sid = "Push", Effect = "Allow", Action = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart"], Resource = var.images },
      { Sid = "Release", Effect = "Allow", Action = ["ecs:UpdateService", "ecs:DescribeServices"], Resource = var.services },
      { Sid = "Pass", Effect = "Allow", Action = "iam:PassRole", Resource = var.pass_roles, Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } } },
    ]
  })
}

output "role_arn" { value = aws_iam_role.ci.arn }
