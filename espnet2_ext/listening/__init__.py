"""Listening tests: static blinded pages made from decode directories, and their analysis."""
