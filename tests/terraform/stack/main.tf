# A classic stack for blue/green deployments of ECS on EC2, as for AWS: nothing in it knows of an emulator.
terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
  }
}

provider "aws" {
  region = "ap-northeast-2"
  default_tags {
    tags = { project = var.name }
  }
}

variable "name" { default = "hello" }
variable "domain" { default = "hello.test" }

# Terraform registers the task definition of another image; CodeDeploy rolls it out.
variable "image_tag" { default = "v1" }

locals {
  zones  = ["ap-northeast-2a", "ap-northeast-2c"]
  region = data.aws_region.here.name
}

data "aws_region" "here" {}
data "aws_caller_identity" "me" {}
