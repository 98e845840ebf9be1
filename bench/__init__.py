"""Measurements of the complete hub beside its peers: `make bench`. Nothing is switched off; what is stored is durable.

Reading order: `ground` (the machine, and the servers that everybody shares), `contenders` and `peers` (who is
measured), `scenarios` (what is measured), `targets` and `report` (what comes of it). Figures of different machines do
not compare; ratios within one run do, so contenders take turns and every figure is the median of several rounds.
"""
