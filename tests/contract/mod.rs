//! Every row of the endpoint list answers; the documents are what the server does.
