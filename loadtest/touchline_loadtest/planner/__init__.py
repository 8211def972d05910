"""How many edges an audience needs: measured costs, a model of them, and what a load comes to by that model."""
