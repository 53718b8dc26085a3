"""From a partner's file to the lake: contracts, deliveries, landing, protection."""
