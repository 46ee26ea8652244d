"""What plugins with interatomic potentials share: data, training, prediction. Needs ``pal-ase[torch]``."""
