-- schema version: 1
--
-- The hub's data model, whole. `hub migrate` applies this file under an advisory lock whenever its version is above the
-- one recorded in `schema_version`; every statement is written so that applying it again changes nothing.
--
-- The idea: an inbox row hands out its user's change numbers (`seq`) under its own row lock, in the same transaction as
-- the change. So seq is contiguous and in commit order, and the row carries the exact counts at that seq. A notification
-- remembers the seq of its last change only, which makes `seq > cursor` a compacted change feed that never expires.
--
-- Lock order everywhere: idempotency keys (sorted), then inboxes (sorted by tenant, user), then their notifications.

set client_min_messages = warning;

create table if not exists schema_version (
    version integer primary key,
    applied_at timestamptz not null default now()
);


-- Inboxes ------------------------------------------------------------------------------------------------------------

-- One row per user who was ever written to or connected.
create table if not exists inboxes (
    tenant text not null,
    user_id text not null,
    -- names this incarnation of the numbering; a cursor of another epoch cannot be resumed
    epoch text not null default substr(replace(gen_random_uuid()::text, '-', ''), 1, 12),
    last_seq bigint not null default 0,
    unread bigint not null default 0,
    unseen bigint not null default 0,
    -- watermarks: what was last touched at or below them is read, what was created at or below is seen
    read_seq bigint not null default 0,
    seen_seq bigint not null default 0,
    -- the last change of the inbox as a whole, so that it takes its place in the change feed like a notification's
    changed_seq bigint not null default 0,
    change text not null default 'seen',
    created_at timestamptz not null default now(),
    constraint inboxes_pkey primary key (tenant, user_id),
    constraint inboxes_counts_hold check (unread >= 0 and unseen >= 0),
    constraint inboxes_watermarks_hold check (read_seq <= last_seq and seen_seq <= last_seq and changed_seq <= last_seq),
    constraint inboxes_change_known check (change in ('read_all', 'seen'))
) with (fillfactor = 70);  -- room for the heap-only updates every change makes


-- Publications -------------------------------------------------------------------------------------------------------

-- One row per accepted publish: who got which notification. The arrays run in parallel.
create table if not exists publications (
    id uuid not null,
    tenant text not null,
    producer text not null,
    -- accepted: its notifications are in their inboxes · recalled: they were taken back
    status text not null default 'accepted',
    user_ids text[] not null,
    notification_ids uuid[] not null,
    seqs bigint[] not null,
    created_at timestamptz not null default now(),
    constraint publications_pkey primary key (id),
    constraint publications_status_known check (status in ('accepted', 'recalled'))
);

-- What a producer already said: the same key with the same body is answered from here, for at least a day.
create table if not exists idempotency_keys (
    tenant text not null,
    producer text not null,
    key text not null,
    body_hash bytea not null,
    publication_id uuid not null,
    created_at timestamptz not null default now(),
    constraint idempotency_keys_pkey primary key (tenant, producer, key)
);
create index if not exists idempotency_keys_by_age on idempotency_keys (created_at);


-- Notifications ------------------------------------------------------------------------------------------------------

-- One fact addressed to one user. No foreign keys: they would cost the hot path a look-up each, and the only writers are
-- the functions below, which hold the inbox row's lock.
create table if not exists notifications (
    id uuid not null,
    publication_id uuid not null,
    tenant text not null,
    user_id text not null,
    created_seq bigint not null,  -- its place in the inbox
    seq bigint not null,          -- its last change
    read_seq bigint not null,     -- its last change between read and unread made on itself; against the watermark
    -- what the last change was. deleted, expired and recalled are final: the row is a tombstone, kept so that absent
    -- clients learn of it, and purged later
    change text not null default 'created',
    category text not null,
    tags text[] not null default '{}',
    collapse_key text,
    repeat_count integer not null default 1,
    content json not null,        -- the constant part of the JSON that clients get, verbatim
    created_at timestamptz not null default now(),
    seen boolean not null default false,  -- seen by being read or archived; else by the watermark
    read_at timestamptz,                  -- read by itself; else by the watermark
    archived_at timestamptz,
    snoozed_until timestamptz,
    expires_at timestamptz,
    removed boolean not null generated always as (change in ('deleted', 'expired', 'recalled')) stored,
    -- listed and counted: neither put away nor gone
    active boolean not null generated always as (
        archived_at is null and snoozed_until is null and change not in ('deleted', 'expired', 'recalled')) stored,
    constraint notifications_pkey primary key (id),
    constraint notifications_change_known check (change in ('created', 'updated', 'read', 'unread', 'archived',
        'unarchived', 'snoozed', 'unsnoozed', 'expired', 'recalled', 'deleted'))
);
create unique index if not exists notifications_by_change on notifications (tenant, user_id, seq);
create unique index if not exists notifications_active on notifications (tenant, user_id, created_seq) where active;
create index if not exists notifications_unread on notifications (tenant, user_id, created_seq)
    where active and read_at is null;
-- unread again after it was read: the only unread rows that can lie below the watermark
create index if not exists notifications_unread_again on notifications (tenant, user_id, read_seq)
    where active and read_at is null and read_seq > created_seq;
create index if not exists notifications_archived on notifications (tenant, user_id, created_seq)
    where archived_at is not null and not removed;
create index if not exists notifications_snoozed on notifications (tenant, user_id, created_seq)
    where snoozed_until is not null and not removed;
create unique index if not exists notifications_collapsed on notifications (tenant, user_id, collapse_key)
    where collapse_key is not null and active;


-- Credentials --------------------------------------------------------------------------------------------------------

-- An API key of a backend service. The key itself is never stored: 160 random bits need no slow hash.
create table if not exists api_keys (
    id text not null,
    tenant text not null,
    name text not null,           -- the producer: keys of one name share their idempotency keys
    hash bytea not null,
    scopes text[] not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    constraint api_keys_pkey primary key (id),
    constraint api_keys_hash_key unique (hash)
);


-- Publishing ---------------------------------------------------------------------------------------------------------

-- Publish many publications in one round trip. The first group of arrays has one element per publication, the second
-- one per recipient, with `recipient_of` counting publications from 1. Returns a row per publication that was answered
-- before (`outcome` replayed or mismatch, with its old answer's arrays) and a row per recipient of every other one.
drop function if exists publish;
create function publish(
    publication_ids uuid[], tenants text[], producers text[], keys text[], body_hashes bytea[],
    categories text[], tag_lists text[], collapse_keys text[], expiries timestamptz[], contents json[],
    recipient_of integer[], recipients text[], new_ids uuid[]
) returns table (
    publication integer, outcome text, old_id uuid, old_users text[], old_ids uuid[], old_seqs bigint[],
    recipient integer, notification_id uuid, epoch text, seq bigint, unread bigint, unseen bigint,
    repeat_count integer, at timestamptz
) language plpgsql as $$
#variable_conflict use_column
declare
    fresh integer[];
    one record;
    old record;
    box record;
begin
    -- 1. Idempotency keys, sorted. A concurrent publish with the same key waits here for the other's commit.
    insert into idempotency_keys (tenant, producer, key, body_hash, publication_id)
    select p.tenant, p.producer, p.key, p.body_hash, p.id
    from unnest(publication_ids, tenants, producers, keys, body_hashes) as p (id, tenant, producer, key, body_hash)
    where p.key is not null
    order by p.tenant, p.producer, p.key
    on conflict do nothing;

    select array_agg(p.n::integer) into fresh
    from unnest(publication_ids, tenants, producers, keys) with ordinality as p (id, tenant, producer, key, n)
    where p.key is null or p.id = (
        select k.publication_id from idempotency_keys k
        where k.tenant = p.tenant and k.producer = p.producer and k.key = p.key);

    -- 2. Inboxes, sorted; collapsing recipients only lock theirs. 3. Notifications. 4. Publications.
    return query
    with recipient as materialized (
        select r.n, r.publication, p.tenant, r.user_id, r.id, p.collapse_key
        from unnest(recipient_of, recipients, new_ids) with ordinality as r (publication, user_id, id, n)
        join unnest(tenants, collapse_keys) with ordinality as p (tenant, collapse_key, n) on p.n = r.publication
        where r.publication = any (fresh)
    ), plain as (
        select *, row_number() over (partition by tenant, user_id order by n desc) - 1 as after
        from recipient where collapse_key is null
    ), inbox as (
        insert into inboxes as i (tenant, user_id, last_seq, unread, unseen)
        select g.tenant, g.user_id, g.added, g.added, g.added
        from (
            select tenant, user_id, count(*) filter (where collapse_key is null) as added
            from recipient group by tenant, user_id
        ) g
        order by g.tenant, g.user_id
        on conflict (tenant, user_id) do update set
            last_seq = i.last_seq + excluded.last_seq,
            unread = i.unread + excluded.unread,
            unseen = i.unseen + excluded.unseen
        returning i.tenant, i.user_id, i.epoch, i.last_seq, i.unread, i.unseen
    ), numbered as (
        select p.n, p.publication, p.tenant, p.user_id, p.id, i.epoch, i.last_seq - p.after as seq,
            i.unread - p.after as unread, i.unseen - p.after as unseen
        from plain p join inbox i using (tenant, user_id)
    ), stored as (
        insert into notifications (id, publication_id, tenant, user_id, created_seq, seq, read_seq, category, tags,
            expires_at, content)
        select r.id, p.id, r.tenant, r.user_id, r.seq, r.seq, r.seq, p.category, string_to_array(p.tags, ','),
            p.expires_at, p.content
        from numbered r
        join unnest(publication_ids, categories, tag_lists, expiries, contents) with ordinality
            as p (id, category, tags, expires_at, content, n) on p.n = r.publication
    ), published as (
        insert into publications (id, tenant, producer, user_ids, notification_ids, seqs)
        select p.id, p.tenant, p.producer, r.user_ids, r.ids, r.seqs
        from (
            select publication, array_agg(user_id order by n) as user_ids, array_agg(id order by n) as ids,
                array_agg(seq order by n) as seqs
            from numbered group by publication
        ) r
        join unnest(publication_ids, tenants, producers) with ordinality as p (id, tenant, producer, n)
            on p.n = r.publication
    )
    select publication, 'created', null::uuid, null::text[], null::uuid[], null::bigint[], n::integer, id, epoch, seq,
        unread, unseen, 1, now()
    from numbered;

    -- 5. Collapsing publications, one recipient at a time under the locks taken above: a newer one takes the place of
    -- the active one with its key, moves to the top and is unread again; the counts rise only by what that changes.
    for one in
        select r.n::integer as n, r.publication, p.id as publication_id, p.tenant, p.producer, r.user_id, r.id,
            p.category, p.tags, p.collapse_key, p.expires_at, p.content
        from unnest(recipient_of, recipients, new_ids) with ordinality as r (publication, user_id, id, n)
        join unnest(publication_ids, tenants, producers, categories, tag_lists, collapse_keys, expiries, contents)
            with ordinality as p (id, tenant, producer, category, tags, collapse_key, expires_at, content, n)
            on p.n = r.publication
        where r.publication = any (fresh) and p.collapse_key is not null
        order by r.n
    loop
        select i.* into box from inboxes i where i.tenant = one.tenant and i.user_id = one.user_id;
        select o.id, o.read_at is null and o.read_seq > box.read_seq as unread,
            not o.seen and o.created_seq > box.seen_seq as unseen, o.repeat_count
        into old
        from notifications o
        where o.tenant = one.tenant and o.user_id = one.user_id and o.collapse_key = one.collapse_key and o.active;

        update inboxes i set last_seq = i.last_seq + 1,
            unread = i.unread + (not coalesce(old.unread, false))::integer,
            unseen = i.unseen + (not coalesce(old.unseen, false))::integer
        where i.tenant = one.tenant and i.user_id = one.user_id
        returning i.* into box;

        if old.id is null then
            insert into notifications (id, publication_id, tenant, user_id, created_seq, seq, read_seq, category, tags,
                collapse_key, expires_at, content)
            values (one.id, one.publication_id, one.tenant, one.user_id, box.last_seq, box.last_seq, box.last_seq,
                one.category, string_to_array(one.tags, ','), one.collapse_key, one.expires_at, one.content);
        else
            update notifications o set publication_id = one.publication_id, created_seq = box.last_seq,
                seq = box.last_seq, read_seq = box.last_seq, change = 'updated', category = one.category,
                tags = string_to_array(one.tags, ','), repeat_count = o.repeat_count + 1, content = one.content,
                created_at = now(), seen = false, read_at = null, expires_at = one.expires_at
            where o.id = old.id;
        end if;

        insert into publications as p (id, tenant, producer, user_ids, notification_ids, seqs)
        values (one.publication_id, one.tenant, one.producer, array[one.user_id], array[coalesce(old.id, one.id)],
            array[box.last_seq])
        on conflict (id) do update set user_ids = p.user_ids || excluded.user_ids,
            notification_ids = p.notification_ids || excluded.notification_ids, seqs = p.seqs || excluded.seqs;

        return query select one.publication::integer, case when old.id is null then 'created' else 'updated' end,
            null::uuid, null::text[], null::uuid[], null::bigint[], one.n, coalesce(old.id, one.id), box.epoch,
            box.last_seq, box.unread, box.unseen, coalesce(old.repeat_count + 1, 1), now();
    end loop;

    -- 6. What was answered before, also by this very batch.
    return query
    select p.n::integer, case when k.body_hash = p.body_hash then 'replayed' else 'mismatch' end,
        k.publication_id, b.user_ids, b.notification_ids, b.seqs,
        null::integer, null::uuid, null::text, null::bigint, null::bigint, null::bigint, null::integer, b.created_at
    from unnest(publication_ids, tenants, producers, keys, body_hashes) with ordinality
        as p (id, tenant, producer, key, body_hash, n)
    join idempotency_keys k on k.tenant = p.tenant and k.producer = p.producer and k.key = p.key
    join publications b on b.id = k.publication_id
    where p.key is not null and k.publication_id <> p.id;
end
$$;


-- Changing -----------------------------------------------------------------------------------------------------------

-- Make one change to some of a user's notifications, each under its own seq. Returns, in the order of `ids`, a row for
-- each that exists: what it is now, and the inbox's counts right after it; `changed` is false where it was so already.
drop function if exists change_notifications;
create function change_notifications(for_tenant text, for_user text, ids uuid[], wanted text, until timestamptz)
returns table (
    changed boolean, epoch text, last_seq bigint, unread bigint, unseen bigint, read_seq bigint, seen_seq bigint,
    notification notifications
) language plpgsql as $$
#variable_conflict use_column
declare
    box inboxes;
    n notifications;
    was notifications;
begin
    select i.* into box from inboxes i where i.tenant = for_tenant and i.user_id = for_user for update;
    for n in
        select o.* from notifications o
        where o.id = any (ids) and o.tenant = for_tenant and o.user_id = for_user and not o.removed
        order by array_position(ids, o.id)
    loop
        was := n;
        case wanted
            when 'read' then
                if n.read_at is null and n.read_seq > box.read_seq then
                    n.read_at := now(); n.read_seq := box.last_seq + 1; n.seen := true;
                end if;
            when 'unread' then
                if n.read_at is not null or n.read_seq <= box.read_seq then
                    n.read_at := null; n.read_seq := box.last_seq + 1;
                end if;
            when 'archived' then
                if n.archived_at is null then
                    n.archived_at := now(); n.snoozed_until := null; n.seen := true;
                end if;
            when 'unarchived' then
                n.archived_at := null;
            when 'snoozed' then
                n.snoozed_until := until; n.archived_at := null;
            when 'unsnoozed' then
                if n.snoozed_until is not null then
                    n.snoozed_until := null; n.read_at := null; n.read_seq := box.last_seq + 1;
                end if;
            when 'deleted', 'expired', 'recalled' then
                n.change := wanted;
        end case;

        changed := (n.read_seq, n.archived_at, n.snoozed_until, n.change)
            is distinct from (was.read_seq, was.archived_at, was.snoozed_until, was.change);
        if changed then
            n.change := wanted;
            -- an archived or snoozed one comes back without its collapse key when a newer one took its place meanwhile
            if wanted in ('unarchived', 'unsnoozed') and n.collapse_key is not null and exists (
                select from notifications o where o.tenant = for_tenant and o.user_id = for_user
                    and o.collapse_key = n.collapse_key and o.active and o.id <> n.id)
            then
                n.collapse_key := null;
            end if;
            box.last_seq := box.last_seq + 1;
            n.seq := box.last_seq;
            update notifications o set seq = n.seq, read_seq = n.read_seq, change = n.change, seen = n.seen,
                read_at = n.read_at, archived_at = n.archived_at, snoozed_until = n.snoozed_until,
                collapse_key = n.collapse_key
            where o.id = n.id returning o.* into n;
            box.unread := box.unread + (n.active and n.read_at is null and n.read_seq > box.read_seq)::integer
                - (was.active and was.read_at is null and was.read_seq > box.read_seq)::integer;
            box.unseen := box.unseen + (n.active and not n.seen and n.created_seq > box.seen_seq)::integer
                - (was.active and not was.seen and was.created_seq > box.seen_seq)::integer;
        end if;
        return query select changed, box.epoch, box.last_seq, box.unread, box.unseen, box.read_seq, box.seen_seq, n;
    end loop;
    update inboxes i set last_seq = box.last_seq, unread = box.unread, unseen = box.unseen
    where i.tenant = for_tenant and i.user_id = for_user and i.last_seq <> box.last_seq;
end
$$;

-- Move the watermarks of an inbox up to a seq (null: to its last one): `read_all` moves both, `seen` the second. Costs
-- the same whatever the inbox holds, but for the changes above `up_to`. Takes a seq only if a count changes.
drop function if exists change_inbox;
create function change_inbox(for_tenant text, for_user text, wanted text, up_to bigint)
returns table (
    changed boolean, epoch text, last_seq bigint, unread bigint, unseen bigint, read_seq bigint, seen_seq bigint
) language plpgsql as $$
#variable_conflict use_column
declare
    box inboxes;
    was inboxes;
begin
    insert into inboxes (tenant, user_id) values (for_tenant, for_user) on conflict do nothing;
    select i.* into box from inboxes i where i.tenant = for_tenant and i.user_id = for_user for update;
    was := box;
    up_to := least(coalesce(up_to, box.last_seq), box.last_seq);
    box.seen_seq := greatest(box.seen_seq, up_to);
    if wanted = 'read_all' then
        box.read_seq := greatest(box.read_seq, up_to);  -- never above seen_seq: reading implies seeing
    end if;
    select count(*) filter (where n.read_at is null and n.read_seq > box.read_seq),
        count(*) filter (where not n.seen and n.created_seq > box.seen_seq)
    into box.unread, box.unseen
    from notifications n
    where n.tenant = for_tenant and n.user_id = for_user and n.active
        and n.seq > case wanted when 'read_all' then box.read_seq else box.seen_seq end;
    if wanted = 'seen' then
        box.unread := was.unread;
    end if;

    changed := box.unread <> was.unread or box.unseen <> was.unseen;
    if changed then
        box.last_seq := box.last_seq + 1;
        update inboxes i set last_seq = box.last_seq, unread = box.unread, unseen = box.unseen,
            read_seq = box.read_seq, seen_seq = box.seen_seq, changed_seq = box.last_seq, change = wanted
        where i.tenant = for_tenant and i.user_id = for_user;
    else
        box := was;
    end if;
    return query select changed, box.epoch, box.last_seq, box.unread, box.unseen, box.read_seq, box.seen_seq;
end
$$;
