"""Hands the numbers of a training on to MLflow or Weights & Biases while it goes on: python -m bevgrad_follow --help"""
