"""Tests of what is written: pages made from the code, and the commands that they show."""
