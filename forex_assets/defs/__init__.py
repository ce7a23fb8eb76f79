"""Assets, checks, jobs, schedules, sensors: they gather inputs, call one domain function and return a frame."""
