//! What does this API say, in the policy's words? Routes, parameters and fields, as an allow-list.

pub mod fields;
