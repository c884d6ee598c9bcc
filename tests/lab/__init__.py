"""The lab: real Envoys as gateway pods, a real nginx before them, real backends behind them."""
