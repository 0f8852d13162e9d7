-- One account row per sign-in identity (v1-common A3), its profiles and its credentials.

create table accounts (
    id                uuid        not null,
    role              text        not null constraint accounts_role_known check (role in ('client', 'doctor', 'admin', 'member')),
    email             text,
    phone             text,
    username          text,
    password_hash     text,
    is_active         boolean     not null default true,
    is_phone_verified boolean     not null default false,
    created_at        timestamptz not null,
    last_login_at     timestamptz,
    constraint accounts_pkey primary key (id),
    constraint accounts_email_key unique (email),
    constraint accounts_phone_key unique (phone),
    constraint accounts_username_key unique (username),
    constraint accounts_email_folded check (email = lower(email))
);

create table patients (
    id          uuid not null,
    full_name   text,
    age         integer,
    sex         text constraint patients_sex_known check (sex in ('male', 'female', 'other', 'prefer_not_to_say')),
    height_cm   double precision,
    weight_kg   double precision,
    avatar_id   text not null,
    avatar_file text,
    constraint patients_pkey primary key (id),
    constraint patients_account_fkey foreign key (id) references accounts (id)
);
create index patients_by_name on patients using gin (full_name gin_trgm_ops);

create table admins (
    id        uuid not null,
    full_name text not null,
    constraint admins_pkey primary key (id),
    constraint admins_account_fkey foreign key (id) references accounts (id)
);

create table doctors (
    id                  uuid        not null,
    full_name           text        not null,
    slug                text        not null,
    speciality_category text        not null,
    degrees             text[]      not null default '{}',
    years_experience    integer     not null default 0,
    about_short         text,
    languages           text[]      not null default '{}',
    registration_number text,
    rate_per_minute     integer     not null default 0,
    chat_enabled        boolean     not null default true,
    call_enabled        boolean     not null default true,
    is_featured         boolean     not null default false,
    is_verified         boolean     not null default true,
    is_reviewer         boolean     not null default false,
    avatar_file         text,
    is_online           boolean     not null default false,
    last_seen_at        timestamptz,
    rating_sum          double precision not null default 0,
    review_count        integer     not null default 0,
    ended_count         integer     not null default 0,
    search_text         text        not null,
    constraint doctors_pkey primary key (id),
    constraint doctors_account_fkey foreign key (id) references accounts (id),
    constraint doctors_slug_key unique (slug),
    constraint doctors_registration_number_key unique (registration_number),
    constraint doctors_rate_not_negative check (rate_per_minute >= 0)
);
create index doctors_by_search_text on doctors using gin (search_text gin_trgm_ops);

-- A login is one sign-in on one device: the `sid` of its access tokens.
create table logins (
    id            uuid        not null,
    account_id    uuid        not null,
    created_at    timestamptz not null,
    revoked_at    timestamptz,
    revoke_reason text,
    constraint logins_pkey primary key (id),
    constraint logins_account_fkey foreign key (account_id) references accounts (id)
);
create index logins_by_account on logins (account_id);
create index logins_by_revocation on logins (revoked_at) where revoked_at is not null;

create table refresh_tokens (
    token_hash bytea       not null,
    login_id   uuid        not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at    timestamptz,
    regiven_at timestamptz,
    constraint refresh_tokens_pkey primary key (token_hash),
    constraint refresh_tokens_login_fkey foreign key (login_id) references logins (id) on delete cascade
);
create index refresh_tokens_by_login on refresh_tokens (login_id);

-- The newest one-time code of a phone; `attempts` at its limit means the code is dropped (settled 14).
create table otp_codes (
    phone      text        not null,
    code_hash  bytea       not null,
    attempts   integer     not null default 0,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    constraint otp_codes_pkey primary key (phone)
);

create table favourites (
    patient_id uuid        not null,
    doctor_id  uuid        not null,
    created_at timestamptz not null,
    constraint favourites_pkey primary key (patient_id, doctor_id),
    constraint favourites_patient_fkey foreign key (patient_id) references patients (id),
    constraint favourites_doctor_fkey foreign key (doctor_id) references doctors (id)
);

-- Patients waiting to hear that a doctor came online (connect-v2 25); consumed when told.
create table availability_watches (
    patient_id uuid        not null,
    doctor_id  uuid        not null,
    created_at timestamptz not null,
    constraint availability_watches_pkey primary key (doctor_id, patient_id),
    constraint availability_watches_patient_fkey foreign key (patient_id) references patients (id),
    constraint availability_watches_doctor_fkey foreign key (doctor_id) references doctors (id)
);

create table health_categories (
    id          uuid        not null,
    name        text        not null,
    description text,
    is_active   boolean     not null default true,
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    constraint health_categories_pkey primary key (id)
);
create unique index health_categories_name_key on health_categories (lower(name));
