"""The kit that dialects are written on: what receivers take, and how a request is made to fit."""
