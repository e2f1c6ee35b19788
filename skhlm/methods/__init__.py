"""The methods of `HLMRegressor`, by purpose."""
