-- Medicines and lab tests for typeahead (connect-v2 §3.19). What is searched is kept apart from the long texts, so that a
-- walk through 31,200 names reads few pages. Keys are lower-case and compared byte by byte (collate "C"): a prefix is then
-- a range of a plain index in every database.

create table medicines (
    id          uuid        not null,
    provider    text        not null,
    name        text        not null,
    name_key    text        not null collate "C",
    name_length integer     not null,
    form        text,
    -- The salts, as the source writes them.
    composition text,
    salt_key    text        collate "C",
    -- The words of name and salts, for queries with typos.
    words       text[]      not null,
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    constraint medicines_pkey primary key (id),
    constraint medicines_name_key unique (provider, name_key)
);
create index medicines_by_prefix on medicines (name_key);
create index medicines_by_length on medicines (name_length, name_key, id);
create index medicines_by_part on medicines using gin (name_key gin_trgm_ops);
create index medicines_by_salt on medicines using gin (salt_key gin_trgm_ops);
create index medicines_by_word on medicines using gin (words);

create table medicine_texts (
    medicine_id          uuid   not null,
    product_introduction text,
    uses                 text[] not null,
    how_it_works         text,
    safety_advice        text,
    source_url           text,
    constraint medicine_texts_pkey primary key (medicine_id),
    constraint medicine_texts_medicine_fkey foreign key (medicine_id) references medicines (id) on delete cascade
);

create table lab_tests (
    id          uuid        not null,
    provider    text        not null,
    code        text        not null,
    code_key    text        not null collate "C",
    name        text        not null,
    name_key    text        not null collate "C",
    name_length integer     not null,
    words       text[]      not null,
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    constraint lab_tests_pkey primary key (id),
    constraint lab_tests_code_key unique (provider, code_key)
);
create index lab_tests_by_code on lab_tests (code_key);
create index lab_tests_by_prefix on lab_tests (name_key);
create index lab_tests_by_word on lab_tests using gin (words);

-- Every word that a name or salt has: the few thousand that a mistyped one is compared with, instead of every name.
create table medicine_words (
    word text not null collate "C",
    constraint medicine_words_pkey primary key (word)
);
create index medicine_words_by_part on medicine_words using gin (word gin_trgm_ops);

create table lab_test_words (
    word text not null collate "C",
    constraint lab_test_words_pkey primary key (word)
);
create index lab_test_words_by_part on lab_test_words using gin (word gin_trgm_ops);
