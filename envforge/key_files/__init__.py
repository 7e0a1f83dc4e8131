"""Files of keys and certificates: finds PEM private keys, writes Java's keystore reproducibly."""
