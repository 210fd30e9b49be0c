terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}
provider "aws" {
  region            = "us-east-1"
  s3_use_path_style = true # bucket.127.0.0.1 is no host
}
resource "aws_vpc" "v" { cidr_block = "10.0.0.0/16" }
resource "aws_subnet" "s" {
  count             = 2
  vpc_id            = aws_vpc.v.id
  cidr_block        = "10.0.${count.index}.0/24"
  availability_zone = "us-east-1${element(["a", "b"], count.index)}"
}
resource "aws_security_group" "g" {
  name   = "lb"
  vpc_id = aws_vpc.v.id
}
resource "aws_s3_bucket" "logs" {
  bucket        = "tf-logs-bucket"
  force_destroy = true
}
resource "aws_acm_certificate" "c" {
  domain_name       = "example.com"
  validation_method = "DNS"
}
resource "aws_acm_certificate" "d" {
  domain_name       = "shop.test"
  validation_method = "DNS"
}
resource "aws_lb" "lb" {
  name                       = "tf-lb"
  load_balancer_type         = "application"
  subnets                    = aws_subnet.s[*].id
  security_groups            = [aws_security_group.g.id]
  idle_timeout               = 30
  drop_invalid_header_fields = true
  desync_mitigation_mode     = "strictest"
  preserve_host_header       = true
  xff_header_processing_mode = "preserve"
  client_keep_alive          = 600
  access_logs {
    bucket  = aws_s3_bucket.logs.id
    prefix  = "p"
    enabled = true
  }
  tags = { a = "b" }
}
resource "aws_lb_target_group" "blue" {
  name                 = "tf-blue"
  port                 = 8080
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = aws_vpc.v.id
  deregistration_delay = 5
  slow_start           = 30
  health_check {
    path                = "/healthz"
    interval            = 10
    timeout             = 3
    healthy_threshold   = 3
    unhealthy_threshold = 4
    matcher             = "200,300-302"
    port                = "9000"
    protocol            = "HTTPS"
  }
  stickiness {
    type            = "app_cookie"
    cookie_name     = "SESSION"
    cookie_duration = 600
    enabled         = true
  }
  target_group_health {
    dns_failover {
      minimum_healthy_targets_count      = "1"
      minimum_healthy_targets_percentage = "off"
    }
    unhealthy_state_routing {
      minimum_healthy_targets_count      = 2
      minimum_healthy_targets_percentage = "50"
    }
  }
}
resource "aws_lb_target_group" "green" {
  name                          = "tf-green"
  port                          = 8443
  protocol                      = "HTTPS"
  target_type                   = "ip"
  vpc_id                        = aws_vpc.v.id
  load_balancing_algorithm_type = "weighted_random"
}
resource "aws_lb_target_group_attachment" "t" {
  target_group_arn = aws_lb_target_group.green.arn
  target_id        = "10.0.0.7"
  port             = 8443
}
resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.lb.arn
  port              = 80
  protocol          = "HTTP"
  default_action {
    type = "redirect"
    redirect {
      port        = "443"
      protocol    = "HTTPS"
      status_code = "HTTP_301"
    }
  }
}
resource "aws_lb_listener" "https" {
  load_balancer_arn                    = aws_lb.lb.arn
  port                                 = 443
  protocol                             = "HTTPS"
  ssl_policy                           = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn                      = aws_acm_certificate.c.arn
  routing_http_response_server_enabled = false
  default_action {
    type = "forward"
    forward {
      target_group {
        arn    = aws_lb_target_group.blue.arn
        weight = 90
      }
      target_group {
        arn    = aws_lb_target_group.green.arn
        weight = 10
      }
      stickiness {
        enabled  = true
        duration = 600
      }
    }
  }
}
resource "aws_lb_listener_certificate" "d" {
  listener_arn    = aws_lb_listener.https.arn
  certificate_arn = aws_acm_certificate.d.arn
}
resource "aws_lb_listener_rule" "fixed" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 10
  action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      message_body = "hello"
      status_code  = "200"
    }
  }
  condition {
    host_header {
      values = ["*.example.com"]
    }
  }
  condition {
    path_pattern {
      values = ["/fixed*"]
    }
  }
  tags = { x = "y" }
}
resource "aws_lb_listener_rule" "all" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 20
  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.blue.arn
  }
  condition {
    http_header {
      http_header_name = "X-A"
      values           = ["b"]
    }
  }
  condition {
    query_string {
      key   = "k"
      value = "v"
    }
    query_string {
      value = "w"
    }
  }
  condition {
    http_request_method {
      values = ["GET"]
    }
  }
  condition {
    source_ip {
      values = ["10.0.0.0/8"]
    }
  }
}
