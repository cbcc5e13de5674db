//! The REST interface, the payment gateways and the live board.
