//! From a sensor's MQTT message to a durable event, stay and bay state.
