SELECT amends_append_v3(%b::text[], %b::bigint[], %b::text[], %b::bytea[],
    %b::text[], %b::text[], %b::bigint[], %b::text[], %b::boolean[], %b::boolean[],
    %b::bigint[], %b::text[], %b::text[],
    %b::bigint[], %b::text[], %b::text[], %b::text[], %b::bigint[])
