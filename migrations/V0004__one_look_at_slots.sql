-- What slots of a survey's counters hold together, over all shards.
CREATE FUNCTION counted(survey uuid, slots integer[]) RETURNS bigint LANGUAGE sql STABLE
    RETURN (
        SELECT coalesce(sum(c.counts[slot % 200 + 1]), 0)::bigint
        FROM unnest(slots) AS slot JOIN survey_counters c ON c.survey_id = survey AND c.chunk = slot / 200
    );
