"""Measurements of the complete hub: `make bench`. Nothing is switched off; what is stored is stored durably."""
