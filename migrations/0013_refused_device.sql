-- Whom a refused message names: when that device is installed, its messages are taken from here.
ALTER TABLE refused_message ADD COLUMN device text;
CREATE INDEX refused_message_waiting ON refused_message (device) WHERE reason IN ('unknown_device', 'unconfigured');
