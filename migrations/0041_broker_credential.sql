-- By what the broker knows a password: a device's that speaks to it itself, or a service's. The password itself
-- is nowhere: it is written into a file once, when it is made.
CREATE TABLE broker_credential (
    device_id      integer CONSTRAINT broker_credential_device UNIQUE REFERENCES device,
    -- A user at the broker that is no device: ingest, serve, a network server.
    service        text CONSTRAINT broker_credential_service UNIQUE,
    -- As a line of mosquitto's password file has it behind the name: $7$iterations$salt$hash.
    mosquitto_hash text NOT NULL,
    -- As RabbitMQ's definitions have it: base64 of four bytes of salt and SHA-256.
    rabbitmq_hash  text NOT NULL,
    made_at        timestamptz NOT NULL,
    CONSTRAINT broker_credential_of_one CHECK (num_nonnulls(device_id, service) = 1)
);
