//! What a load balancer answers in place of a region.

use http::StatusCode;

use crate::answers::{Answer, answer};

/// The page for a region that can't be reached or gives no answer.
///
/// A global external application load balancer says 503 or 504 where a classic
/// one says 502 whatever it was (Cloud Load Balancing, "Troubleshoot issues with
/// external Application Load Balancers", "Unexplained 5XX errors"). The page is
/// that of Google's front ends; whether 503 comes with the same words as 502 is
/// not documented.
pub(super) fn page(status: StatusCode) -> Answer {
    let page = format!(
        "<html><head>\n\
         <meta http-equiv=\"content-type\" content=\"text/html;charset=utf-8\">\n\
         <title>{} Server Error</title>\n\
         </head>\n\
         <body text=#000000 bgcolor=#ffffff>\n\
         <h1>Error: Server Error</h1>\n\
         <h2>The server encountered a temporary error and could not complete your request.\
         <p>Please try again in 30 seconds.</h2>\n\
         <h2></h2>\n\
         </body></html>\n",
        status.as_u16()
    );
    answer(status, "text/html; charset=UTF-8", page)
}
