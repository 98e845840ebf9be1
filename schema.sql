-- schema version: 5
--
-- The hub's data model, whole. `hub migrate` applies this file under an advisory lock whenever its version is above the
-- one recorded in `schema_version`; every statement is written so that applying it again changes nothing.
--
-- The idea: an inbox row hands out its user's change numbers (`seq`) under its own row lock, in the same transaction as
-- the change. So seq is contiguous and in commit order, and the row carries the exact counts at that seq. A notification
-- remembers the seq of its last change only, which makes `seq > cursor` a compacted change feed that never expires.
--
-- Lock order everywhere: idempotency keys (sorted), then inboxes (sorted by tenant, user), then their notifications, then
-- deliveries; whoever takes them in another order skips what is locked.

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
    -- tombstones at or below it may have been purged: whoever was away since before that reloads
    purged_seq bigint not null default 0,
    created_at timestamptz not null default now(),
    constraint inboxes_pkey primary key (tenant, user_id),
    constraint inboxes_counts_hold check (unread >= 0 and unseen >= 0),
    constraint inboxes_watermarks_hold check (read_seq <= last_seq and seen_seq <= last_seq and changed_seq <= last_seq),
    constraint inboxes_change_known check (change in ('read_all', 'seen'))
) with (fillfactor = 70);  -- room for the heap-only updates every change makes
alter table inboxes add column if not exists purged_seq bigint not null default 0;


-- Publications -------------------------------------------------------------------------------------------------------

-- One row per accepted publish: who got which notification. The arrays run in parallel.
create table if not exists publications (
    id uuid not null,
    tenant text not null,
    producer text not null,
    -- scheduled (see schedules) → accepted · canceled
    -- accepted: its notifications are in their inboxes → recalled
    -- recalled: they were taken back · canceled: it never happened
    status text not null default 'accepted',
    user_ids text[] not null,
    notification_ids uuid[] not null,
    seqs bigint[] not null,       -- empty before it has happened
    options json,                 -- what its deliveries are rendered with: template, variables, overrides
    created_at timestamptz not null default now(),
    constraint publications_pkey primary key (id),
    constraint publications_status_known check (status in ('accepted', 'recalled', 'scheduled', 'canceled'))
);
alter table publications add column if not exists options json;
alter table publications drop constraint if exists publications_status_known;
alter table publications add constraint publications_status_known
    check (status in ('accepted', 'recalled', 'scheduled', 'canceled'));

-- A publish that is to happen later: what `publish` will be called with. Cancelling and firing take the row's lock, so
-- exactly one of them wins.
create table if not exists schedules (
    id uuid not null,             -- the publication's
    tenant text not null,
    producer text not null,
    -- scheduled → fired · canceled
    state text not null default 'scheduled',
    send_at timestamptz not null,
    category text not null,
    tags text not null,
    collapse_key text,
    expires_at timestamptz,
    content json not null,
    options json,
    constraint schedules_pkey primary key (id),
    constraint schedules_state_known check (state in ('scheduled', 'fired', 'canceled'))
);
create index if not exists schedules_due on schedules (send_at) where state = 'scheduled';

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
    removed_at timestamptz,               -- since when it is a tombstone
    removed boolean not null generated always as (change in ('deleted', 'expired', 'recalled')) stored,
    -- listed and counted: neither put away nor gone
    active boolean not null generated always as (
        archived_at is null and snoozed_until is null and change not in ('deleted', 'expired', 'recalled')) stored,
    constraint notifications_pkey primary key (id),
    constraint notifications_change_known check (change in ('created', 'updated', 'read', 'unread', 'archived',
        'unarchived', 'snoozed', 'unsnoozed', 'expired', 'recalled', 'deleted'))
);
alter table notifications add column if not exists removed_at timestamptz;
create unique index if not exists notifications_by_change on notifications (tenant, user_id, seq);
create unique index if not exists notifications_active on notifications (tenant, user_id, created_seq) where active;
-- with the category, so that counting by it reads the index alone
create index if not exists notifications_unread on notifications (tenant, user_id, created_seq) include (category)
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


-- Reaching users outside ----------------------------------------------------------------------------------------------

-- Where a user can be reached, in which language and when not. Quiet hours are wall-clock times in `timezone`.
create table if not exists contacts (
    tenant text not null,
    user_id text not null,
    email text,
    phone text,                   -- E.164
    locale text,                  -- BCP 47
    timezone text,                -- IANA
    quiet_start text,
    quiet_end text,
    quiet_timezone text,
    updated_at timestamptz not null default now(),
    constraint contacts_pkey primary key (tenant, user_id)
);

-- A device that takes push messages. Its token belongs to one user: whoever registered it last.
create table if not exists devices (
    tenant text not null,
    token text not null,
    user_id text not null,
    platform text not null,
    kind text not null,           -- what the token is: a registration token or a Firebase installation id
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint devices_pkey primary key (tenant, token),
    constraint devices_platform_known check (platform in ('web', 'android', 'ios')),
    constraint devices_kind_known check (kind in ('token', 'fid'))
);
create index if not exists devices_by_user on devices (tenant, user_id);

-- An address that must not be written to any more, whoever has it.
create table if not exists suppressions (
    tenant text not null,
    channel text not null,
    address text not null,        -- e-mail in lower case, phone in E.164
    reason text not null,
    created_at timestamptz not null default now(),
    constraint suppressions_pkey primary key (tenant, channel, address),
    constraint suppressions_reason_known check (reason in ('bounce', 'complaint', 'stop'))
);

-- What is known of a kind of notification. Unregistered categories work, with the defaults.
create table if not exists categories (
    tenant text not null,
    name text not null,
    title text not null,
    channels text[],              -- by default; null: in_app
    mandatory boolean not null default false,
    retention_days integer,
    throttle jsonb,               -- channel → {limit, window_seconds}
    digest jsonb,                 -- channel → {window_seconds}
    updated_at timestamptz not null default now(),
    constraint categories_pkey primary key (tenant, name)
);

-- What a user chose: one cell of the grid. `*` as category is every category.
create table if not exists preferences (
    tenant text not null,
    user_id text not null,
    category text not null,
    channel text not null,
    enabled boolean not null,
    updated_at timestamptz not null default now(),
    constraint preferences_pkey primary key (tenant, user_id, category, channel)
);

-- A version of what a category says over a channel in a language; the highest version is in force.
create table if not exists templates (
    tenant text not null,
    category text not null,
    channel text not null,
    locale text not null,
    version integer not null,
    title text not null,          -- subject
    body text not null,           -- plain text
    html text,                    -- with its styles inlined
    created_at timestamptz not null default now(),
    constraint templates_pkey primary key (tenant, category, channel, locale, version)
);

-- What the hub keeps to itself, made once: the key that signs unsubscribe links.
create table if not exists secrets (
    name text not null,
    value text not null,
    constraint secrets_pkey primary key (name)
);
insert into secrets (name, value)
values ('unsubscribe', replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '')) on conflict do nothing;


-- Deliveries ---------------------------------------------------------------------------------------------------------

-- One notification over one channel to one address. The rule: this table decides, RQ is the doorbell. `relay` rings,
-- a worker claims by one conditional update, sends, and records the outcome where the lease is still its own.
create table if not exists deliveries (
    id uuid not null default gen_random_uuid(),
    tenant text not null,
    user_id text not null,
    notification_id uuid not null,
    publication_id uuid not null,
    category text not null,
    channel text not null,        -- email · sms · push, and webhook to tell a producer
    priority smallint not null,   -- 0 critical · 1 high · 2 normal · 3 low
    -- pending (due at run_at)                → queued · canceled · suppressed · expired
    -- queued (rung, leased)                  → sending · pending (lease over, or not yet) · canceled · suppressed · expired
    -- sending (claimed, leased)              → sent · pending (transient) · failed (permanent) · dead (attempts used up)
    --                                          · unknown (ambiguous, or lease over)
    -- unknown (the provider may have it)     → sent · pending (to repeat by the same key) · failed · delivered
    -- sent (the provider accepted it)        → delivered · failed (bounce) · pending (one later attempt, SMS)
    -- delivered (receipt)                    → failed (late bounce)
    -- failed (permanent) · dead (the DLQ)    → pending (manual replay, with a new key) · canceled (discarded)
    -- canceled · suppressed · expired        final, each with its reason
    state text not null default 'pending',
    reason text not null default '',
    run_at timestamptz not null default now(),
    unless text,                  -- read · seen: an escalation, decided at claim time
    expires_at timestamptz,
    generation integer not null default 0,   -- rings
    claims integer not null default 0,       -- since the last outcome: a row that kills workers ends dead
    attempts integer not null default 0,     -- outcomes that count
    requests integer not null default 0,     -- rows in attempts
    replays integer not null default 0,      -- manual; part of the idempotency key
    lease_token uuid,
    lease_until timestamptz,
    claimed_at timestamptz,
    address text,                 -- fixed by the first claim; a device's token from the start
    address_kind text,
    message json,                 -- rendered by the first claim, sent unchanged ever after
    decision json,                -- the policy's last: the rules asked, and the values they saw
    provider text,                -- who was asked last
    provider_id text,
    remedy text,                  -- how an ambiguity ends: repeat · look_up · give_up
    pinned boolean not null default false,   -- a provider may have it: no other one may be asked
    digest_id uuid,               -- the delivery that carries this one in its digest
    event text,                   -- what a webhook tells: delivered · failed · read
    webhook_id uuid,              -- whom it tells
    news json,                    -- the delivery it tells of, as it was then
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint deliveries_pkey primary key (id),
    constraint deliveries_state_known check (state in ('pending', 'queued', 'sending', 'unknown', 'sent', 'delivered',
        'failed', 'dead', 'canceled', 'suppressed', 'expired')),
    constraint deliveries_say_why check (reason <> '' or state not in ('canceled', 'suppressed', 'expired', 'failed', 'dead')),
    constraint deliveries_leased check (state not in ('queued', 'sending') or lease_until is not null)
) with (fillfactor = 70);
alter table deliveries add column if not exists webhook_id uuid, add column if not exists news json;
create index if not exists deliveries_due on deliveries (channel, priority, run_at) where state = 'pending';
create index if not exists deliveries_leased on deliveries (lease_until) where state in ('queued', 'sending');
create index if not exists deliveries_unknown on deliveries (run_at) where state = 'unknown';
create index if not exists deliveries_dead on deliveries (tenant, created_at) where state in ('dead', 'failed');
create index if not exists deliveries_expiring on deliveries (expires_at) where state = 'pending' and expires_at is not null;
create index if not exists deliveries_by_publication on deliveries (publication_id);
create index if not exists deliveries_by_user on deliveries (tenant, user_id, channel, category, created_at);
create unique index if not exists deliveries_once on deliveries (notification_id, publication_id, channel, address)
    where address is not null and event is null;
-- a notification is told to be read once, however often it is read
create unique index if not exists deliveries_told_read on deliveries (notification_id, publication_id, webhook_id)
    where event = 'read';
create index if not exists deliveries_of_webhook on deliveries (webhook_id, run_at)
    where webhook_id is not null and state in ('pending', 'queued', 'sending');
-- the oldest lie together, so a few pages of summary find what is to be purged
create index if not exists deliveries_by_age on deliveries using brin (created_at);
create index if not exists deliveries_by_provider on deliveries (provider, provider_id) where provider_id is not null;

-- One request to a provider: written before it is made, finished with its answer.
create table if not exists attempts (
    delivery_id uuid not null,
    n integer not null,
    provider text not null,
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    outcome text not null default 'started',  -- sent · transient · throttled · unauthorized · permanent · ambiguous · lost
    error text,
    provider_status integer,
    constraint attempts_pkey primary key (delivery_id, n)
);

-- What a provider said later, once per event whatever how often it is said.
create table if not exists provider_events (
    provider text not null,
    event_id text not null,
    delivery_id uuid not null,
    kind text not null,
    detail text,
    happened_at timestamptz not null,
    received_at timestamptz not null default now(),
    constraint provider_events_pkey primary key (provider, event_id)
);
create index if not exists provider_events_by_delivery on provider_events (delivery_id, happened_at);

-- The health and pace of a provider; the relay releases nothing to one that is closed.
create table if not exists providers (
    name text not null,
    closed_until timestamptz,
    reason text,
    failures integer not null default 0,      -- in a row
    tokens double precision not null default 0,
    refilled_at timestamptz not null default now(),
    constraint providers_pkey primary key (name)
);

-- Who is at work: relays and workers, by their own word every few seconds.
create table if not exists heartbeats (
    id text not null,
    kind text not null,
    detail text not null,
    started_at timestamptz not null default now(),
    seen_at timestamptz not null default now(),
    constraint heartbeats_pkey primary key (id),
    constraint heartbeats_kind_known check (kind in ('relay', 'worker'))
);

-- Where a producer wants to hear what became of its notifications.
create table if not exists webhooks (
    id uuid not null default gen_random_uuid(),
    tenant text not null,
    url text not null,
    secret text not null,         -- signs what is told; forgotten when the endpoint is deleted
    events text[] not null,
    -- active → disabled (it answered 410) · deleted; disabled → deleted. Only what is active is told anything.
    state text not null default 'active',
    created_at timestamptz not null default now(),
    constraint webhooks_pkey primary key (id),
    constraint webhooks_state_known check (state in ('active', 'disabled', 'deleted'))
);
alter table webhooks add column if not exists state text not null default 'active';
create index if not exists webhooks_by_tenant on webhooks (tenant);

-- A "mark all as read" that a webhook wants to hear of: it moved one number, which notifications that was the relay finds
-- out afterwards, in steps.
create table if not exists read_marks (
    id bigint generated always as identity,
    tenant text not null,
    user_id text not null,
    above bigint not null,        -- the watermark before
    up_to bigint not null,        -- and after
    reached bigint not null,      -- everything whose last change is at or below it has been looked at
    marked_at timestamptz not null default now(),
    constraint read_marks_pkey primary key (id)
);

-- What a delivery or a notification has become is told by the transaction that makes it so: no event without its fact,
-- no fact without its event. A delivery that is itself an event tells nothing.
create or replace function tell_of_delivery() returns trigger language plpgsql as $$
declare
    happened text := case new.state when 'delivered' then 'delivered' else 'failed' end;
begin
    insert into deliveries (tenant, user_id, notification_id, publication_id, category, channel, priority, event,
        webhook_id, news)
    select new.tenant, new.user_id, new.notification_id, new.publication_id, new.category, 'webhook', 3, happened, w.id,
        json_build_object('id', 'dlv_' || replace(new.id::text, '-', ''), 'channel', new.channel, 'state', new.state,
            'reason', new.reason, 'provider', new.provider, 'provider_id', new.provider_id)
    from webhooks w where w.tenant = new.tenant and w.state = 'active' and happened = any (w.events);
    return null;
end
$$;
create or replace trigger deliveries_tell after update of state on deliveries for each row
    when (new.event is null and new.state is distinct from old.state and new.state in ('delivered', 'failed', 'dead'))
    execute function tell_of_delivery();

create or replace function tell_of_read() returns trigger language plpgsql as $$
begin
    insert into deliveries (tenant, user_id, notification_id, publication_id, category, channel, priority, event,
        webhook_id)
    select new.tenant, new.user_id, new.id, new.publication_id, new.category, 'webhook', 3, 'read', w.id
    from webhooks w where w.tenant = new.tenant and w.state = 'active' and 'read' = any (w.events)
    on conflict do nothing;
    return null;
end
$$;
create or replace trigger notifications_tell after update of read_at on notifications for each row
    when (old.read_at is null and new.read_at is not null)
    execute function tell_of_read();

-- Tell of what the oldest mark made read, at most so many changes of the inbox; returns how many it looked at. What was
-- changed since lies ahead, where the next step finds it.
drop function if exists tell_of_mark;
create function tell_of_mark(most integer) returns integer language plpgsql as $$
declare
    mark read_marks;
    looked integer;
    top bigint;
begin
    select m.* into mark from read_marks m order by m.id limit 1 for update skip locked;
    if mark.id is null then
        return 0;
    end if;
    with change as materialized (
        select n.* from notifications n
        where n.tenant = mark.tenant and n.user_id = mark.user_id and n.seq > mark.reached order by n.seq limit most
    ), told as (
        insert into deliveries (tenant, user_id, notification_id, publication_id, category, channel, priority, event,
            webhook_id, created_at)
        select c.tenant, c.user_id, c.id, c.publication_id, c.category, 'webhook', 3, 'read', w.id, mark.marked_at
        from change c join webhooks w on w.tenant = c.tenant and w.state = 'active' and 'read' = any (w.events)
        where c.read_at is null and c.read_seq > mark.above and c.read_seq <= mark.up_to and not c.removed
        on conflict do nothing
    )
    select count(*), max(c.seq) into looked, top from change c;
    if looked < most then
        delete from read_marks m where m.id = mark.id;
    else
        update read_marks m set reached = top where m.id = mark.id;
    end if;
    return looked;
end
$$;

-- Give the publications of a publish their deliveries. An address is found when one is claimed, so that a push goes to
-- the devices a user has then. Escalations count from the publish, or from `send_at`.
drop function if exists add_deliveries;
create function add_deliveries(
    publication_ids uuid[], categories text[], expiries timestamptz[], contents json[], send_ats timestamptz[],
    channel_lists text[], escalations json[]
) returns void language sql as $$
    insert into deliveries (tenant, user_id, notification_id, publication_id, category, channel, priority, run_at,
        unless, expires_at)
    select b.tenant, r.user_id, r.notification_id, b.id, p.category, w.channel,
        array_position(array['critical', 'high', 'normal', 'low'], p.content ->> 'priority') - 1,
        coalesce(p.send_at, now()) + coalesce((p.escalation -> w.channel ->> 'after')::float, 0) * interval '1 second',
        p.escalation -> w.channel ->> 'unless', p.expires_at
    from unnest(publication_ids, categories, expiries, contents, send_ats, channel_lists, escalations)
        as p (id, category, expires_at, content, send_at, channels, escalation)
    join publications b on b.id = p.id
    left join categories c on c.tenant = b.tenant and c.name = p.category
    cross join lateral (
        select unnest(coalesce(string_to_array(p.channels, ','), c.channels)) as channel
        union select json_object_keys(p.escalation)
    ) w
    cross join lateral unnest(b.user_ids, b.notification_ids) as r (user_id, notification_id)
    where w.channel <> 'in_app'
$$;

-- Lock the inboxes of the users whose deliveries are claimed, then those deliveries that are still queued. From here on
-- no read, publish or change of these users commits before the claim does. Where the category has a digest, what else
-- waits for it is locked too (`joins`); a row that somebody else holds just now will be in the next digest.
drop function if exists lock_claims;
create function lock_claims(ids uuid[]) returns table (id uuid, joins boolean) language plpgsql as $$
#variable_conflict use_column
begin
    perform from inboxes i
    where (i.tenant, i.user_id) in (select d.tenant, d.user_id from deliveries d where d.id = any (ids))
    order by i.tenant, i.user_id for update;
    return query select d.id, false from deliveries d
    where d.id = any (ids) and d.state = 'queued' order by d.id for update skip locked;
    return query select o.id, true from deliveries o
    where o.state in ('pending', 'queued') and o.message is null and o.id <> all (ids)
        and (o.tenant, o.user_id, o.channel, o.category) in (
            select d.tenant, d.user_id, d.channel, d.category from deliveries d
            join categories c on c.tenant = d.tenant and c.name = d.category and c.digest ? d.channel
            where d.id = any (ids) and d.state = 'queued')
    for update skip locked;
end
$$;

-- Everything a delivery's decision and text depend on, as it is now.
drop view if exists delivery_facts;
create view delivery_facts as
select d.*, clock_timestamp() as decided_at, n.content, n.created_at as published_at, n.change as notification_change,
    n.read_at is not null or n.read_seq <= i.read_seq as is_read,
    n.seen or n.created_seq <= i.seen_seq as is_seen,
    n.read_at, n.tags, n.repeat_count, b.status as publication_status, b.options,
    u.email, u.phone, u.locale, u.timezone, u.quiet_start, u.quiet_end, u.quiet_timezone,
    c.title as category_title, c.channels as category_channels, coalesce(c.mandatory, false) as mandatory,
    c.throttle -> d.channel as throttle, c.digest -> d.channel as digest,
    (select json_agg(json_build_array(p.category, p.enabled)) from preferences p
        where p.tenant = d.tenant and p.user_id = d.user_id and p.channel = d.channel
            and p.category in (d.category, '*')) as choices,
    (select s.reason from suppressions s where s.tenant = d.tenant and s.channel = d.channel
        and s.address = coalesce(d.address, case d.channel when 'email' then lower(u.email) when 'sms' then u.phone end)
    ) as suppression,
    case when d.channel = 'push' then (select json_agg(json_build_array(v.token, v.kind) order by v.created_at)
        from devices v where v.tenant = d.tenant and v.user_id = d.user_id) end as devices,
    case when c.throttle ? d.channel then (select count(distinct o.notification_id) from deliveries o
        where o.tenant = d.tenant and o.user_id = d.user_id and o.channel = d.channel and o.category = d.category
            and o.notification_id <> d.notification_id and o.state in ('sending', 'unknown', 'sent', 'delivered')
            and o.claimed_at > now() - (c.throttle -> d.channel ->> 'window_seconds')::float * interval '1 second')
    else 0 end as recent,
    (select json_build_object('title', t.title, 'body', t.body, 'html', t.html) from templates t
        where t.tenant = d.tenant and t.category = coalesce(b.options ->> 'template', d.category)
            and t.channel = d.channel and t.locale in (u.locale, split_part(u.locale, '-', 1), 'en')
        order by array_position(array[u.locale, split_part(u.locale, '-', 1), 'en'], t.locale), t.version desc
        limit 1) as template,
    w.url as webhook_url, w.secret as webhook_secret, w.state as webhook_state
from deliveries d
left join webhooks w on w.id = d.webhook_id
left join notifications n on n.id = d.notification_id
left join inboxes i on i.tenant = d.tenant and i.user_id = d.user_id
left join publications b on b.id = d.publication_id
left join contacts u on u.tenant = d.tenant and u.user_id = d.user_id
left join categories c on c.tenant = d.tenant and c.name = d.category;


-- Publishing ---------------------------------------------------------------------------------------------------------

-- Publish many publications in one round trip. The first group of arrays has one element per publication, the second
-- one per recipient, with `recipient_of` counting publications from 1. Returns a row per publication that was answered
-- before (`outcome` replayed or mismatch, with its old answer's arrays; those of a scheduled one have no seqs), one per
-- publication that was put off to its `send_at` (`outcome` scheduled), and a row per recipient of every other one.
drop function if exists publish;
create function publish(
    publication_ids uuid[], tenants text[], producers text[], keys text[], body_hashes bytea[],
    categories text[], tag_lists text[], collapse_keys text[], expiries timestamptz[], contents json[],
    send_ats timestamptz[], channel_lists text[], escalations json[], option_sets json[],
    recipient_of integer[], recipients text[], new_ids uuid[], patience_ms integer default null
) returns table (
    publication integer, outcome text, old_id uuid, old_users text[], old_ids uuid[], old_seqs bigint[],
    recipient integer, notification_id uuid, epoch text, seq bigint, unread bigint, unseen bigint,
    repeat_count integer, at timestamptz
) language plpgsql as $$
#variable_conflict use_column
declare
    keyed integer;     -- so many have an idempotency key
    unheard integer;   -- and so many of them one that was never heard of
    fresh integer[];   -- not answered before
    later integer[];   -- of these, put off
    one record;
    old record;
    box record;
begin
    if patience_ms is not null then
        perform set_config('lock_timeout', patience_ms::text, true);
    end if;

    -- 1. Idempotency keys, sorted. A concurrent publish with the same key waits here for the other's commit.
    fresh := array(select generate_series(1, cardinality(publication_ids)));
    keyed := cardinality(array_remove(keys, null));
    if keyed > 0 then
        insert into idempotency_keys (tenant, producer, key, body_hash, publication_id)
        select p.tenant, p.producer, p.key, p.body_hash, p.id
        from unnest(publication_ids, tenants, producers, keys, body_hashes) as p (id, tenant, producer, key, body_hash)
        where p.key is not null
        order by p.tenant, p.producer, p.key
        on conflict do nothing;
        get diagnostics unheard = row_count;
        if unheard < keyed then
            select array_agg(p.n::integer) into fresh
            from unnest(publication_ids, tenants, producers, keys) with ordinality as p (id, tenant, producer, key, n)
            where p.key is null or p.id = (
                select k.publication_id from idempotency_keys k
                where k.tenant = p.tenant and k.producer = p.producer and k.key = p.key);
        end if;
    end if;

    if array_remove(send_ats, null) <> '{}' then
        select array_agg(p.n::integer) into later
        from unnest(send_ats) with ordinality as p (send_at, n)
        where p.n = any (fresh) and p.send_at is not null;
    end if;
    if later is not null then
        fresh := array(select unnest(fresh) except select unnest(later));
        insert into schedules (id, tenant, producer, send_at, category, tags, collapse_key, expires_at, content, options)
        select p.id, p.tenant, p.producer, p.send_at, p.category, p.tags, p.collapse_key, p.expires_at, p.content,
            p.options
        from unnest(publication_ids, tenants, producers, send_ats, categories, tag_lists, collapse_keys, expiries,
                contents, option_sets) with ordinality
            as p (id, tenant, producer, send_at, category, tags, collapse_key, expires_at, content, options, n)
        where p.n = any (later);
        insert into publications (id, tenant, producer, status, user_ids, notification_ids, seqs, options)
        select p.id, p.tenant, p.producer, 'scheduled', r.user_ids, r.ids, '{}', p.options
        from unnest(publication_ids, tenants, producers, option_sets) with ordinality
            as p (id, tenant, producer, options, n)
        join (
            select r.publication, array_agg(r.user_id order by r.n) as user_ids, array_agg(r.id order by r.n) as ids
            from unnest(recipient_of, recipients, new_ids) with ordinality as r (publication, user_id, id, n)
            group by r.publication
        ) r on r.publication = p.n
        where p.n = any (later);
        return query select n, 'scheduled', null::uuid, null::text[], null::uuid[], null::bigint[], null::integer,
            null::uuid, null::text, null::bigint, null::bigint, null::bigint, null::integer, now()
        from unnest(later) n;
    end if;

    -- 2. Inboxes, sorted; collapsing recipients only lock theirs. 3. Notifications. 4. Publications.
    return query
    with recipient as materialized (
        select r.n, r.publication, tenants[r.publication] as tenant, r.user_id, r.id,
            collapse_keys[r.publication] as collapse_key
        from unnest(recipient_of, recipients, new_ids) with ordinality as r (publication, user_id, id, n)
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
        select r.id, publication_ids[r.publication], r.tenant, r.user_id, r.seq, r.seq, r.seq,
            categories[r.publication], string_to_array(tag_lists[r.publication], ','), expiries[r.publication],
            contents[r.publication]
        from numbered r
    ), published as (
        insert into publications (id, tenant, producer, user_ids, notification_ids, seqs, options)
        select publication_ids[publication], tenants[publication], producers[publication],
            array_agg(user_id order by n), array_agg(id order by n), array_agg(seq order by n),
            option_sets[publication]
        from numbered group by publication
    )
    select publication, 'created', null::uuid, null::text[], null::uuid[], null::bigint[], n::integer, id, epoch, seq,
        unread, unseen, 1, now()
    from numbered;

    -- 5. Collapsing publications, one recipient at a time under the locks taken above: a newer one takes the place of
    -- the active one with its key, moves to the top and is unread again; the counts rise only by what that changes.
    if array_remove(collapse_keys, null) <> '{}' then
        for one in
            select r.n::integer as n, r.publication, p.id as publication_id, p.tenant, p.producer, r.user_id, r.id,
                p.category, p.tags, p.collapse_key, p.expires_at, p.content, p.options
            from unnest(recipient_of, recipients, new_ids) with ordinality as r (publication, user_id, id, n)
            join unnest(publication_ids, tenants, producers, categories, tag_lists, collapse_keys, expiries, contents,
                    option_sets) with ordinality
                as p (id, tenant, producer, category, tags, collapse_key, expires_at, content, options, n)
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
                insert into notifications (id, publication_id, tenant, user_id, created_seq, seq, read_seq, category,
                    tags, collapse_key, expires_at, content)
                values (one.id, one.publication_id, one.tenant, one.user_id, box.last_seq, box.last_seq, box.last_seq,
                    one.category, string_to_array(one.tags, ','), one.collapse_key, one.expires_at, one.content);
            else
                update notifications o set publication_id = one.publication_id, created_seq = box.last_seq,
                    seq = box.last_seq, read_seq = box.last_seq, change = 'updated', category = one.category,
                    tags = string_to_array(one.tags, ','), repeat_count = o.repeat_count + 1, content = one.content,
                    created_at = now(), seen = false, read_at = null, expires_at = one.expires_at
                where o.id = old.id;
            end if;

            insert into publications as p (id, tenant, producer, user_ids, notification_ids, seqs, options)
            values (one.publication_id, one.tenant, one.producer, array[one.user_id], array[coalesce(old.id, one.id)],
                array[box.last_seq], one.options)
            on conflict (id) do update set user_ids = p.user_ids || excluded.user_ids,
                notification_ids = p.notification_ids || excluded.notification_ids, seqs = p.seqs || excluded.seqs;

            return query select one.publication::integer, case when old.id is null then 'created' else 'updated' end,
                null::uuid, null::text[], null::uuid[], null::bigint[], one.n, coalesce(old.id, one.id), box.epoch,
                box.last_seq, box.unread, box.unseen, coalesce(old.repeat_count + 1, 1), now();
        end loop;
    end if;

    -- 6. Deliveries: of every channel that was asked for or, by default, that the category has.
    if exists (
        select from unnest(channel_lists, escalations) as p (channels, escalation)
        where p.channels <> '' or p.escalation is not null
    ) or exists (select from categories c where c.tenant = any (tenants) and c.name = any (categories)) then
        perform add_deliveries(publication_ids, categories, expiries, contents, send_ats, channel_lists, escalations);
    end if;

    -- 7. What was answered before, also by this very batch.
    if unheard < keyed then
        return query
        select p.n::integer, case when k.body_hash = p.body_hash then 'replayed' else 'mismatch' end,
            k.publication_id, b.user_ids, b.notification_ids, b.seqs,
            null::integer, null::uuid, null::text, null::bigint, null::bigint, null::bigint, null::integer, b.created_at
        from unnest(publication_ids, tenants, producers, keys, body_hashes) with ordinality
            as p (id, tenant, producer, key, body_hash, n)
        join idempotency_keys k on k.tenant = p.tenant and k.producer = p.producer and k.key = p.key
        join publications b on b.id = k.publication_id
        where p.key is not null and k.publication_id <> p.id;
    end if;
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
                collapse_key = n.collapse_key,
                removed_at = case when wanted in ('deleted', 'expired', 'recalled') then now() end
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
        if wanted = 'read_all' then  -- who wants to hear of it hears later: this stays one step
            insert into read_marks (tenant, user_id, above, up_to, reached)
            select for_tenant, for_user, was.read_seq, box.read_seq, was.read_seq
            where exists (select from webhooks w
                where w.tenant = for_tenant and w.state = 'active' and 'read' = any (w.events));
        end if;
    else
        box := was;
    end if;
    return query select changed, box.epoch, box.last_seq, box.unread, box.unseen, box.read_seq, box.seen_seq;
end
$$;

-- What waits for a time ----------------------------------------------------------------------------------------------

-- Publish what is due, each publication once whoever asks; returns what `publish` does, and what to say live.
drop function if exists fire_schedules;
create function fire_schedules(most integer) returns table (
    tenant text, user_id text, notification_id uuid, change text, epoch text, seq bigint, unread bigint, unseen bigint,
    repeat_count integer, at timestamptz, expires_at timestamptz, content json
) language plpgsql as $$
#variable_conflict use_column
declare
    due schedules;
    p publications;
    r record;
begin
    for due in
        select s.* from schedules s where s.state = 'scheduled' and s.send_at <= now()
        order by s.send_at limit most for update skip locked
    loop
        delete from publications b where b.id = due.id returning b.* into p;
        for r in
            select * from publish(array[due.id], array[due.tenant], array[due.producer], array[null::text],
                array[null::bytea], array[due.category], array[due.tags], array[due.collapse_key],
                array[due.expires_at], array[due.content], array[null::timestamptz], array[''], array[null::json],
                array[due.options], array_fill(1, array[cardinality(p.user_ids)]), p.user_ids, p.notification_ids)
        loop
            -- a collapsing one took the place of another: its deliveries follow
            update deliveries d set notification_id = r.notification_id
            where d.publication_id = due.id and d.notification_id = p.notification_ids[r.recipient]
                and d.notification_id <> r.notification_id;
            return query select due.tenant, p.user_ids[r.recipient], r.notification_id, r.outcome, r.epoch, r.seq,
                r.unread, r.unseen, r.repeat_count, r.at, due.expires_at, due.content;
        end loop;
        update schedules s set state = 'fired' where s.id = due.id;
    end loop;
end
$$;

-- Wake what was snoozed (`wanted` unsnoozed) or take away what has expired, for at most so many users. An inbox that is
-- locked is left for the next time: nobody is waited for while locks are held.
drop function if exists change_due;
create function change_due(wanted text, most integer) returns table (
    tenant text, user_id text, changed boolean, epoch text, unread bigint, unseen bigint, inbox_read_seq bigint,
    inbox_seen_seq bigint, notification notifications
) language plpgsql as $$
#variable_conflict use_column
declare
    box inboxes;
    due uuid[];
begin
    for box in
        select i.* from inboxes i
        where (i.tenant, i.user_id) in (
            select n.tenant, n.user_id from notifications n
            where not n.removed and (wanted = 'unsnoozed' and n.snoozed_until <= now()
                or wanted = 'expired' and n.expires_at <= now())
            limit most)
        for update skip locked
    loop
        due := array(
            select n.id from notifications n
            where n.tenant = box.tenant and n.user_id = box.user_id and not n.removed
                and (wanted = 'unsnoozed' and n.snoozed_until <= now() or wanted = 'expired' and n.expires_at <= now())
            order by n.created_seq);
        return query select box.tenant, box.user_id, c.changed, c.epoch, c.unread, c.unseen, c.read_seq, c.seen_seq,
            c.notification
        from change_notifications(box.tenant, box.user_id, due, wanted, null) c;
    end loop;
end
$$;
create index if not exists notifications_waking on notifications (snoozed_until)
    where snoozed_until is not null and not removed;
create index if not exists notifications_expiring on notifications (expires_at)
    where expires_at is not null and not removed;


-- What is not kept for ever -------------------------------------------------------------------------------------------

-- How far a sweep has come: it walks through a table in the order of its ids, hence of their age, some rows at a time,
-- and rests at the end. So nothing needs an index by age, and no step is long.
create table if not exists sweeps (
    name text not null,
    reached uuid not null default '00000000-0000-0000-0000-000000000000',
    rests_until timestamptz not null default now(),
    constraint sweeps_pkey primary key (name)
);
insert into sweeps (name) values ('notifications'), ('publications') on conflict do nothing;

-- Take one step through the notifications: what its category keeps no longer becomes due to expire, live; tombstones
-- that everybody had time to hear of are purged, under their inbox's lock, which is not waited for. Counts do not change:
-- a tombstone is in none. Returns how many were looked at; 0 while it rests or another relay is at it.
drop function if exists sweep_notifications;
create function sweep_notifications(most integer, tombstone_days integer) returns integer language plpgsql as $$
declare
    walk sweeps;
    step uuid[];
begin
    select w.* into walk from sweeps w where w.name = 'notifications' and w.rests_until <= now() for update skip locked;
    if walk.name is null then
        return 0;
    end if;
    step := array(select n.id from notifications n where n.id > walk.reached order by n.id limit most);

    update notifications set expires_at = now()
    where id in (
        select n.id from notifications n join categories c on c.tenant = n.tenant and c.name = n.category
        where n.id = any (step) and not n.removed and (n.expires_at is null or n.expires_at > now())
            and n.created_at < now() - c.retention_days * interval '1 day'
        for update of n skip locked);

    with old as materialized (
        select n.id, n.tenant, n.user_id from notifications n
        where n.id = any (step) and n.removed
            and coalesce(n.removed_at, n.created_at) < now() - tombstone_days * interval '1 day'
    ), box as materialized (
        select i.tenant, i.user_id from inboxes i
        where (i.tenant, i.user_id) in (select o.tenant, o.user_id from old o)
        order by i.tenant, i.user_id for update skip locked
    ), gone as (
        delete from notifications n using old o, box b
        where n.id = o.id and n.removed and b.tenant = o.tenant and b.user_id = o.user_id
        returning n.tenant, n.user_id, n.seq
    )
    update inboxes i set purged_seq = greatest(i.purged_seq, g.top)
    from (select tenant, user_id, max(seq) as top from gone group by tenant, user_id) g
    where i.tenant = g.tenant and i.user_id = g.user_id;

    update sweeps w set
        reached = case when cardinality(step) < most then '00000000-0000-0000-0000-000000000000' else step[most] end,
        rests_until = case when cardinality(step) < most then now() + interval '10 minutes' else now() end
    where w.name = walk.name;
    return cardinality(step);
end
$$;

-- Take one step through the publications: those of which nothing is left, neither a notification nor a delivery, go.
drop function if exists sweep_publications;
create function sweep_publications(most integer, days integer) returns integer language plpgsql as $$
declare
    walk sweeps;
    step uuid[];
begin
    select w.* into walk from sweeps w where w.name = 'publications' and w.rests_until <= now() for update skip locked;
    if walk.name is null then
        return 0;
    end if;
    step := array(select b.id from publications b where b.id > walk.reached order by b.id limit most);

    with gone as (
        delete from publications b
        where b.id = any (step) and b.status <> 'scheduled' and b.created_at < now() - days * interval '1 day'
            and not exists (select from notifications n where n.id = any (b.notification_ids))
            and not exists (select from deliveries d where d.publication_id = b.id)
            and not exists (select from schedules s where s.id = b.id and s.send_at > now() - days * interval '1 day')
        returning b.id
    )
    delete from schedules s using gone g where s.id = g.id;

    update sweeps w set
        reached = case when cardinality(step) < most then '00000000-0000-0000-0000-000000000000' else step[most] end,
        rests_until = case when cardinality(step) < most then now() + interval '1 hour' else now() end
    where w.name = walk.name;
    return cardinality(step);
end
$$;
