"""Deployment tests: the CDK command line puts both variants into an emulator of AWS, and what is there is looked at."""
