"""May this Terraform plan be applied?"""
