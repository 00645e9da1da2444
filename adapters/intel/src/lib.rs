//! What is known of addresses and TLS clients: feeds in the common list formats, MaxMind-format databases.
