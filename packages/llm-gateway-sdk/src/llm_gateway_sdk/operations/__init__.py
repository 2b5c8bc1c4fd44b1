"""Operations next to generation, in canonical form: what is asked, what is answered, and the form that each vendor
gives to them (`OperationForm`)."""
