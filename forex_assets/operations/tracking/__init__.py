"""Tracking: runs recorded in MLflow by dagster-mlflow.

In: events of Dagster and of the deployment store. Out: MLflow runs, nested candidate runs, registered config versions.
Not here: forecasts and searches, which know nothing of MLflow. Loading this package does not import mlflow.
"""
