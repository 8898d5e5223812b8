-- What keeps the syncs running by themselves, and tells people when they do not.

ALTER TABLE connector.integrations ADD COLUMN off text;
COMMENT ON COLUMN connector.integrations.off IS
    'Why a person switched it off, with name and time; null: it is on, unless its declaration or the environment says otherwise.';
