-- Whose turn it is to do what one node alone should do in a while: whoever asks first after the last turn ended.
create table job_turns (
    name  text        not null,
    until timestamptz not null,
    constraint job_turns_pkey primary key (name)
);
