-- What one member of staff did in a shift, among all that drivers do.
CREATE INDEX audit_staff ON audit (actor, at DESC) WHERE actor LIKE 'staff:%';
