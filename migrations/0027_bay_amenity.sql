-- What a bay has beside its room: whether it is kept for disabled people, and whether it has a charger.
ALTER TABLE bay
    ADD COLUMN accessible boolean NOT NULL DEFAULT false,
    ADD COLUMN charging   boolean NOT NULL DEFAULT false;
