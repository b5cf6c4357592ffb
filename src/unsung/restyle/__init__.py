"""What would this song be in another style? The second counterfactual question."""
