"""How the models that come with the package are made: data, training and scores, none of it needed for using them."""
