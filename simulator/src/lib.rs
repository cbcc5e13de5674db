//! A synthetic city, its drivers and their bank, seen from outside: MQTT and HTTP only.
